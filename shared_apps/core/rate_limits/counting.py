"""Counting in Redis, and in the process itself for as long as Redis is gone.

Limits protect the product; an API that is down because nobody counts would be worse than one that counts
less exactly. (Sign-ins are another matter: shared_apps/authn/limits is closed without Redis.)
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import redis
from django.conf import settings

from shared_apps.core.rate_limits.local import LocalWindows
from shared_apps.core.rate_limits.windows import Full, RedisWindows, Taken, Window
from shared_apps.core.resilience.leaving_alone import LeavingAlone

logger = logging.getLogger(__name__)


class Counter:
    """Of one process. `clock` is in seconds."""

    def __init__(
        self, in_redis: RedisWindows, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._in_redis = in_redis
        self._local = LocalWindows(clock=clock)
        self._redis = LeavingAlone(clock=clock)

    def take(self, windows: Sequence[Window]) -> Taken | Full:
        """A place in each window, or in none; never an error."""
        if self._redis.may_ask():
            try:
                found = self._in_redis.take(windows)
            except redis.RedisError as error:
                if self._redis.failed():
                    logger.error(
                        "Requests are counted per process: Redis does not answer (%s)",
                        type(error).__name__,
                    )
            else:
                if self._redis.answered():
                    logger.info("Requests are counted in Redis again")
                return found
        return self._local.take(windows, percent=settings.RATE_LIMIT_LOCAL_PERCENT)


def counter() -> Counter:
    """This process's, for the Redis of the settings."""
    return _counter(settings.REDIS_URL, settings.RATE_LIMIT_TIMEOUT_MS / 1000)


@lru_cache(maxsize=8)
def _counter(url: str, timeout: float) -> Counter:
    return Counter(RedisWindows(url=url, timeout=timeout))
