import pytest
from django.http import HttpResponse
from django.test import override_settings

from shared_apps.core.answer_floor import due_at, hold, seconds_left


@pytest.mark.parametrize(
    ("took", "due"),
    [
        (0.0, 0.25),
        (0.001, 0.25),
        (0.249, 0.25),
        (0.25, 0.25),
        # What was slower tells no more than the next multiple.
        (0.2501, 0.5),
        (0.5, 0.5),
        (1.9, 2.0),
        (100.1, 100.25),
    ],
)
def test_answers_go_out_at_multiples_of_the_floor(took: float, due: float) -> None:
    assert due_at(began_at=1000.0, now=1000.0 + took, floor=0.25) == 1000.0 + due


def test_without_a_floor_nothing_waits() -> None:
    assert due_at(began_at=1000.0, now=1000.3, floor=0.0) == 1000.3


def test_only_what_is_held_waits_and_never_backwards() -> None:
    response = HttpResponse()
    assert seconds_left(response, now=5.0) == 0.0
    with override_settings(ANSWER_FLOOR_MS=1000):
        hold(response, began_at=0.0)
    assert seconds_left(response, now=0.0) >= 1.0
    assert seconds_left(response, now=1e12) == 0.0
