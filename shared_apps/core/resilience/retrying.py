"""Try again what failed for a reason that passes.

    retry(lambda: fetch(url), policy=RetryPolicy(retry_on=(ConnectionError,)), is_idempotent=True)

What is tried twice may be done twice. So a call says that this does no harm, or with which key the other
side tells that it is the same one; without either it is refused before it is made.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

_chance = random.SystemRandom()


class TransientError(Exception):
    """The other side could not do it now; `retry_after` are the seconds that it asked for, if it did."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnsafeRetryError(TypeError):
    """A call that changes something would be repeated without a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Delays double from `first_delay` on, each longer at random by a share of up to `jitter`.

    What a TransientError asks for is kept, where the deadline allows it.
    """

    retry_on: tuple[type[Exception], ...]
    """Nothing else is tried again."""
    attempts: int = 3
    first_delay: float = 1.0
    longest_delay: float = 30.0
    jitter: float = 0.25
    deadline: float = 60.0
    """Seconds after which no attempt begins; an error that asks for more patience is final."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep
    asleep: Callable[[float], Awaitable[object]] = asyncio.sleep


SYSTEM: Final = Clock()


def retry(
    work: Callable[[], T], *, policy: RetryPolicy, is_idempotent: bool = False,
    key: str | None = None, clock: Clock = SYSTEM,
) -> T:  # fmt: skip
    """What `work` returns at last; else its last error.

    Raises:
        UnsafeRetryError: it is not idempotent and has no key.
    """
    course = _Course(policy, clock, is_idempotent=is_idempotent, key=key)
    while True:
        try:
            return work()
        except policy.retry_on as error:
            delay = course.delay_after(error)
            if delay is None:
                raise
        clock.sleep(delay)


async def retry_async(
    work: Callable[[], Awaitable[T]], *, policy: RetryPolicy, is_idempotent: bool = False,
    key: str | None = None, clock: Clock = SYSTEM,
) -> T:  # fmt: skip
    """As `retry`, for coroutines."""
    course = _Course(policy, clock, is_idempotent=is_idempotent, key=key)
    while True:
        try:
            return await work()
        except policy.retry_on as error:
            delay = course.delay_after(error)
            if delay is None:
                raise
        await clock.asleep(delay)


class _Course:
    """How far one call is."""

    def __init__(
        self, policy: RetryPolicy, clock: Clock, *, is_idempotent: bool, key: str | None
    ) -> None:
        if not is_idempotent and not key:
            raise UnsafeRetryError(
                "what is not idempotent is tried again with a key, or not at all"
            )
        self._policy = policy
        self._clock = clock
        self._until = clock.now() + policy.deadline
        self._failed = 0

    def delay_after(self, error: Exception) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        self._failed += 1
        if self._failed >= self._policy.attempts:
            return None
        # Our own errors have a `retry_after` too, which is for our clients.
        delay = self._delay(error.retry_after if isinstance(error, TransientError) else None)
        return delay if self._clock.now() + delay < self._until else None

    def _delay(self, asked: float | None) -> float:
        own = self._policy.first_delay * 2.0 ** (self._failed - 1)
        capped = min(
            own * (1 + _chance.uniform(0, self._policy.jitter)), self._policy.longest_delay
        )
        return max(capped, asked or 0)
