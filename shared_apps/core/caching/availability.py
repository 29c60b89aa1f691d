"""Whether Redis can be asked. Without it everything is computed each time, and nobody waits for it.

A change that could not be told is told as soon as Redis answers again, before anything is read from it.
"""

import logging
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

import redis
from django.conf import settings

from shared_apps.core.caching.names import Standing
from shared_apps.core.caching.store import Store
from shared_apps.core.resilience.leaving_alone import LeavingAlone

logger = logging.getLogger(__name__)

T = TypeVar("T")

_RETRY_SECONDS: Final = 2.5


class Guarded:
    """A store that is left alone while it does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._redis = LeavingAlone()
        self._lock = threading.Lock()
        self._owed: dict[Standing, str] = {}
        self._timer: threading.Timer | None = None

    def call(self, work: Callable[[Store], T]) -> T | None:
        """What `work` returns; None: Redis cannot be asked now."""
        if not self._redis.may_ask():
            return None
        try:
            self._pay()
            found = work(self._store)
        except redis.RedisError as error:
            if self._redis.failed():
                logger.error(
                    "Results are computed each time: Redis does not answer (%s)",
                    type(error).__name__,
                )
            return None
        if self._redis.answered():
            logger.info("Results are kept again")
        return found

    def changed(self, standing: Standing, *, writer: str) -> None:
        """As the store's; later, if not now."""

        def tell(store: Store) -> bool:
            store.changed(standing, writer=writer)
            return True

        if not self.call(tell):
            with self._lock:
                self._owed[standing] = writer
            self._try_again_later()

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def _pay(self) -> None:
        while self._owed:
            with self._lock:
                standing, writer = next(iter(self._owed.items()), (None, ""))
            if standing is None:
                return
            self._store.changed(standing, writer=writer)
            with self._lock:
                # One that came meanwhile is another debt.
                if self._owed.get(standing) == writer:
                    del self._owed[standing]

    def _try_again_later(self) -> None:
        """A process that only writes may not come back to Redis by itself."""
        with self._lock:
            if self._timer is not None:
                return
            self._timer = threading.Timer(_RETRY_SECONDS, self._try_again)
            self._timer.daemon = True
            self._timer.start()

    def _try_again(self) -> None:
        with self._lock:
            self._timer = None
        self.call(lambda _: True)
        if self.owes:
            self._try_again_later()


def guarded() -> Guarded:
    """This process's, for the Redis of the settings."""
    return _guarded(settings.REDIS_URL, settings.CACHE_TIMEOUT_MS / 1000)


@lru_cache(maxsize=8)
def _guarded(url: str, timeout: float) -> Guarded:
    return Guarded(Store(url=url, timeout=timeout))
