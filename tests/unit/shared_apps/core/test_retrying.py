"""What is tried again, when, and what never is. Time is a number that grows by what is slept."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared_apps.core.resilience.retrying import (
    Clock,
    RetryPolicy,
    TransientError,
    UnsafeRetryError,
    retry,
    retry_async,
)


class AwayError(TransientError):
    def __init__(self, status: int, retry_after: float | None = None) -> None:
        super().__init__(str(status), retry_after=retry_after)


class OwnError(Exception):
    retry_after = 15  # for whoever asks us


class RefusedError(Exception):
    pass


POLICY = RetryPolicy(retry_on=(AwayError, ConnectionError), jitter=0)


@dataclass
class FakeClock:
    at: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept.append(seconds)

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, sleep=self.sleep, asleep=self.asleep)


@dataclass
class Work:
    """Raises each of `errors` in turn, then returns."""

    errors: list[Exception]
    calls: int = 0
    takes: Callable[[], None] = lambda: None

    def __call__(self) -> str:
        self.calls += 1
        self.takes()
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def carry_out(
    work: Work,
    time: FakeClock,
    *,
    policy: RetryPolicy = POLICY,
    is_async: bool = False,
    **safety: Any,
) -> str:
    safety = safety or {"is_idempotent": True}
    if not is_async:
        return retry(work, policy=policy, clock=time.clock, **safety)

    async def coroutine() -> str:
        return work()

    return asyncio.run(retry_async(coroutine, policy=policy, clock=time.clock, **safety))


@pytest.mark.parametrize("is_async", [False, True])
def test_three_attempts_with_a_second_and_two_between(is_async: bool) -> None:
    errors = [AwayError(503) for _ in range(4)]
    last = errors[2]
    work, time = Work(errors), FakeClock()
    with pytest.raises(AwayError) as raised:
        carry_out(work, time, is_async=is_async)
    assert (work.calls, time.slept) == (3, [1.0, 2.0])
    assert raised.value is last


@pytest.mark.parametrize("is_async", [False, True])
def test_what_works_at_last_is_returned(is_async: bool) -> None:
    work, time = Work([ConnectionError()]), FakeClock()
    assert carry_out(work, time, is_async=is_async) == "done"
    assert (work.calls, time.slept) == (2, [1.0])


@pytest.mark.parametrize("is_async", [False, True])
def test_only_what_is_named_is_tried_again(is_async: bool) -> None:
    for error in (RefusedError(400), KeyboardInterrupt()):
        work, time = Work([error]), FakeClock()  # type: ignore[list-item]  # no Exception, on purpose
        with pytest.raises(type(error)):
            carry_out(work, time, is_async=is_async)
        assert (work.calls, time.slept) == (1, [])


def test_the_other_side_may_ask_for_more_patience() -> None:
    work, time = Work([AwayError(503, 7), AwayError(503, 0.5)]), FakeClock()
    assert carry_out(work, time) == "done"
    assert time.slept == [7.0, 2.0]


def test_our_own_patience_is_not_theirs() -> None:
    work, time = Work([OwnError()]), FakeClock()
    policy = RetryPolicy(retry_on=(OwnError,), jitter=0, deadline=5)
    assert carry_out(work, time, policy=policy) == "done"
    assert time.slept == [1.0]


def test_more_patience_than_there_is_ends_it_at_once() -> None:
    work, time = Work([AwayError(503, 3600)]), FakeClock()
    with pytest.raises(AwayError):
        carry_out(work, time)
    assert (work.calls, time.slept) == (1, [])


def test_nothing_begins_after_the_deadline() -> None:
    time = FakeClock()
    work = Work([AwayError(503) for _ in range(9)], takes=lambda: time.sleep(10))
    policy = RetryPolicy(retry_on=(AwayError,), attempts=9, jitter=0, deadline=25)
    with pytest.raises(AwayError):
        carry_out(work, time, policy=policy)
    # 10 s, a pause of 1, 10 s, and the pause of 2 leaves 2 of 25.
    assert time.slept == [10, 1.0, 10, 2.0, 10]
    assert work.calls == 3


def test_delays_are_capped_and_differ() -> None:
    policy = RetryPolicy(
        retry_on=(AwayError,), attempts=8, longest_delay=4, jitter=0.5, deadline=1000
    )
    seen: list[list[float]] = []
    for _ in range(5):
        work, time = Work([AwayError(503) for _ in range(7)]), FakeClock()
        carry_out(work, time, policy=policy)
        seen.append(time.slept)
    for slept in seen:
        assert 1 <= slept[0] <= 1.5
        assert 2 <= slept[1] <= 3
        assert slept[2:] == [4.0] * 5
    assert len({slept[0] for slept in seen}) == 5


@pytest.mark.parametrize("safety", [{"is_idempotent": False}, {"key": ""}, {"key": None}])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_changes_something_has_a_key(is_async: bool, safety: dict[str, Any]) -> None:
    work, time = Work([]), FakeClock()
    with pytest.raises(UnsafeRetryError):
        carry_out(work, time, is_async=is_async, **safety)
    assert work.calls == 0
    assert carry_out(work, time, is_async=is_async, key="k") == "done"
