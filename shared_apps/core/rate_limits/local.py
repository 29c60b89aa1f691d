"""Moving windows in this process alone, for as long as Redis is gone."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence

from shared_apps.core.rate_limits.windows import Full, Level, Taken, Window, whole_seconds

_MICROSECONDS = 1_000_000
_MOST_KEYS = 20_000


class LocalWindows:
    """As `RedisWindows.take`, with `percent` of each window's places, one at least."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # In the order in which they were last used.
        self._taken: dict[str, deque[int]] = {}

    def take(self, windows: Sequence[Window], *, percent: int) -> Taken | Full:
        now = int(self._clock() * _MICROSECONDS)
        with self._lock:
            wait = 0
            shares = [_share(window.most, percent) for window in windows]
            found = [self._attempts(window, now) for window in windows]
            for window, most, attempts in zip(windows, shares, found, strict=True):
                if len(attempts) >= most:
                    span = window.seconds * _MICROSECONDS
                    leaves = attempts[len(attempts) - most] + span - now if most else span
                    wait = max(wait, leaves)
            if not wait:
                for attempts in found:
                    attempts.append(now)
            levels = tuple(
                Level(
                    left=max(0, most - len(attempts)),
                    next_in=whole_seconds(
                        window.seconds * _MICROSECONDS - (now - attempts[0] if attempts else 0)
                    ),
                )
                for window, most, attempts in zip(windows, shares, found, strict=True)
            )
            self._forget_some()
        if wait:
            return Full(retry_after=whole_seconds(wait), levels=levels)
        return Taken(id=uuid.uuid4().hex, windows=tuple(windows), levels=levels)

    def _attempts(self, window: Window, now: int) -> deque[int]:
        """Those that are still in it, the oldest first."""
        attempts = self._taken.pop(window.key, None) or deque()
        self._taken[window.key] = attempts
        while attempts and attempts[0] <= now - window.seconds * _MICROSECONDS:
            attempts.popleft()
        return attempts

    def _forget_some(self) -> None:
        """Whoever has many addresses must not fill the memory: the longest unused go first."""
        while len(self._taken) > _MOST_KEYS:
            del self._taken[next(iter(self._taken))]


def _share(most: int, percent: int) -> int:
    return most and max(1, most * percent // 100)
