"""What an entry says that changed."""

import json
from typing import Any

import pytest

from shared_apps.audit.images import difference, difference_text


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (None, '{"a": 1, "b": null}', {"a": {"old": None, "new": 1}, "b": {"old": None, "new": None}}),
        ('{"a": 1.50}', None, {"a": {"old": "1.50", "new": None}}),
        (None, None, {}),
        (None, "{}", {}),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', {"b": {"old": 2, "new": 3}}),
        ('{"a": null}', "{}", {"a": {"old": None, "new": None}}),
        ('{"a": 10.50}', '{"a": 10.5}', {"a": {"old": "10.50", "new": "10.5"}}),
        ('{"a": 1}', '{"a": true}', {"a": {"old": 1, "new": True}}),
        ('{"a": [0, 2]}', '{"a": [false, 2]}', {"a": {"old": [0, 2], "new": [False, 2]}}),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}', {}),
        ('{"a": 123456789012345678901234567890}', '{"a": 123456789012345678901234567891}',
         {"a": {"old": 123456789012345678901234567890, "new": 123456789012345678901234567891}}),
    ],
)  # fmt: skip
def test_difference(old: str | None, new: str | None, found: dict[str, Any]) -> None:
    differs = difference(old, new)

    assert differs == found
    assert repr(differs) == repr(found)
    assert difference_text(old, new) == json.dumps(found)


@pytest.mark.parametrize(
    "text",
    [
        '"a\\u0000 \\"quoted\\" \\\\ \\n é 日 😀"',
        '"NaN"',
        '["", {"a": [null, true, 1.50]}, {}]',
        "-0",
        "9" * 4000,
        "9" * 4001,
        "9" * 5000,
    ],
)
def test_the_text_of_a_difference_is_what_json_makes_of_it(text: str) -> None:
    image = f'{{"é \\"": {text}, "b": [{text}]}}'

    for old, new in ((None, image), (image, None), (image, '{"b": false}')):
        assert difference_text(old, new) == json.dumps(difference(old, new))


def test_numbers_too_long_for_python_are_texts_wherever_they_stand() -> None:
    short, long = "9" * 4000, "9" * 4001

    assert difference(None, f'{{"a": {short}, "b": [{long}]}}') == {
        "a": {"old": None, "new": int(short)},
        "b": {"old": None, "new": [long]},
    }
