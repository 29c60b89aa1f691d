"""Counting in Redis, and in the process itself for as long as Redis is gone.

Limits protect the product; an API that is down because nobody counts would be worse than one that counts
less exactly. (Sign-ins are another matter: shared_apps/authn/limits is closed without Redis.)
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import redis
from django.conf import settings

from shared_apps.core.rate_limits.local import LocalWindows
from shared_apps.core.rate_limits.windows import Full, RedisWindows, Taken, Window

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
"""For so long Redis is left alone after it failed; then one request tries it, and the others do not wait."""


class Counter:
    """Of one process. `clock` is in seconds."""

    def __init__(
        self, in_redis: RedisWindows, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._in_redis = in_redis
        self._clock = clock
        self._local = LocalWindows(clock=clock)
        self._lock = threading.Lock()
        self._try_at: float | None = None
        """When Redis is asked again; None: it answers."""

    def take(self, windows: Sequence[Window]) -> Taken | Full:
        """A place in each window, or in none; never an error."""
        if self._may_ask():
            try:
                found = self._in_redis.take(windows)
            except redis.RedisError as error:
                self._failed(error)
            else:
                self._answered()
                return found
        return self._local.take(windows, percent=settings.RATE_LIMIT_LOCAL_PERCENT)

    def _may_ask(self) -> bool:
        if self._try_at is None:
            return True
        with self._lock:
            if self._try_at is not None and self._clock() < self._try_at:
                return False
            # This one asks; until it knows, the others do not.
            self._try_at = self._clock() + PAUSE_SECONDS
            return True

    def _failed(self, error: redis.RedisError) -> None:
        with self._lock:
            is_new, self._try_at = self._try_at is None, self._clock() + PAUSE_SECONDS
        if is_new:
            logger.error(
                "Requests are counted per process: Redis does not answer (%s)", type(error).__name__
            )

    def _answered(self) -> None:
        if self._try_at is not None:
            with self._lock:
                self._try_at = None
            logger.info("Requests are counted in Redis again")


def counter() -> Counter:
    """This process's, for the Redis of the settings."""
    return _counter(settings.REDIS_URL, settings.RATE_LIMIT_TIMEOUT_MS / 1000)


@lru_cache(maxsize=8)
def _counter(url: str, timeout: float) -> Counter:
    return Counter(RedisWindows(url=url, timeout=timeout))
