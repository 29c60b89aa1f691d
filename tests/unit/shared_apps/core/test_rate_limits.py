"""Counting in the process itself, by a clock that the test moves, and when Redis is asked again."""

import socket
import threading

import pytest
from django.test import override_settings

from config.settings.limits import plans_in
from shared_apps.core.rate_limits.counting import Counter
from shared_apps.core.rate_limits.local import LocalWindows
from shared_apps.core.rate_limits.rates import RateClass, Rates
from shared_apps.core.rate_limits.windows import Full, Level, RedisWindows, Taken, Window
from shared_apps.core.resilience.leaving_alone import PAUSE_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


ACME = Window(key="acme", most=3, seconds=60)
GLOBEX = Window(key="globex", most=1, seconds=60)


def admitted(windows: LocalWindows, *asked: Window, percent: int = 100) -> bool:
    return isinstance(windows.take(asked, percent=percent), Taken)


def test_the_window_slides() -> None:
    clock = Clock()
    windows = LocalWindows(clock=clock)
    for at in (0, 20, 40):
        clock.now = 1000.0 + at
        assert admitted(windows, ACME)
    clock.now = 1059.999
    assert windows.take([ACME], percent=100) == Full(retry_after=1, levels=(Level(0, 1),))
    clock.now = 1060.0
    assert admitted(windows, ACME)
    found = windows.take([ACME], percent=100)
    assert found == Full(retry_after=20, levels=(Level(0, 20),))


def test_what_one_window_refuses_the_others_do_not_count() -> None:
    windows = LocalWindows(clock=Clock())
    assert admitted(windows, ACME, GLOBEX)
    for _ in range(5):
        assert not admitted(windows, ACME, GLOBEX)
    assert [admitted(windows, ACME) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(("most", "percent", "share"), [(100, 25, 25), (3, 25, 1), (0, 25, 0)])
def test_a_process_has_its_share_of_each(most: int, percent: int, share: int) -> None:
    windows = LocalWindows(clock=Clock())
    window = Window(key="acme", most=most, seconds=60)
    found = [admitted(windows, window, percent=percent) for _ in range(share + 1)]
    assert found == [True] * share + [False]


def test_many_keys_do_not_fill_the_memory() -> None:
    windows = LocalWindows(clock=Clock())
    kept = Window(key="kept", most=2, seconds=60)
    assert admitted(windows, kept)
    for number in range(20_000 - 1):
        windows.take([Window(key=str(number), most=1, seconds=60)], percent=100)
    assert admitted(windows, kept)
    for number in range(20_000, 30_000):
        windows.take([Window(key=str(number), most=1, seconds=60)], percent=100)
    assert not admitted(windows, kept)
    assert len(windows._taken) == 20_000


def test_only_one_request_waits_for_a_redis_that_does_not_answer() -> None:
    """It accepts connections and says nothing: the worst kind of outage."""
    clock = Clock()
    with socket.create_server(("127.0.0.1", 0), backlog=128) as silent:
        heard: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    heard.append(silent.accept()[0])
                except OSError:
                    return

        listener = threading.Thread(target=accept)
        listener.start()
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        counter = Counter(RedisWindows(url=url, timeout=0.05), clock=clock)
        try:
            with override_settings(RATE_LIMIT_LOCAL_PERCENT=100):
                found = [counter.take([ACME]) for _ in range(5)]
                asked = len(heard)
                assert [isinstance(each, Taken) for each in found] == [True] * 3 + [False] * 2
                assert asked == 1
                clock.now += PAUSE_SECONDS - 0.1
                counter.take([ACME])
                assert len(heard) == asked
                clock.now += 0.1
                for _ in range(3):
                    counter.take([ACME])
                assert len(heard) == asked + 1
        finally:
            silent.shutdown(socket.SHUT_RDWR)
            listener.join()
            for connection in heard:
                connection.close()


def test_a_plan_changes_what_it_names_and_the_tenants_own_number_comes_first() -> None:
    rates = Rates(tenant=1, person=2, write=3, export=4, ingest=5, address=6, login=7)
    assert rates.with_plan({}, tenant=None) is rates
    changed = rates.with_plan({"tenant": 10, "write": 30}, tenant=None)
    assert (changed.tenant, changed.person, changed.write, changed.login) == (10, 2, 30, 7)
    assert rates.with_plan({"tenant": 10}, tenant=11).tenant == 11


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[]", '{"basic": 5}', '{"basic": {"address": 5}}', '{"basic": {"tenant": 0}}',
     '{"basic": {"tenant": true}}', '{"basic": {"tenant": "5"}}', '{"basic": {"requests": 5}}'],
)  # fmt: skip
def test_plans_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        plans_in(text)


def test_plans_are_read() -> None:
    assert plans_in('{"basic": {"tenant": 600, "export": 2}}') == {
        "basic": {"tenant": 600, "export": 2}
    }
    assert {rate_class.value for rate_class in RateClass} >= {"read", "write", "export", "ingest"}
