"""Leave a server alone that has failed several times in a row, until a trial says that it is back.

All processes know together, through Redis; without Redis each knows for itself. What it is about belongs
to one tenant: another one with the same server has its own.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from shared_apps.core import redis_keys

T = TypeVar("T")

FAILURES = 3
_FORGET_SECONDS = 300


@dataclass
class _Memory:
    failures: int = 0
    quiet_until: float = 0.0


class Breaker:
    """Closed until `FAILURES` in a row; then one trial each `DIRECTORY_PAUSE_SECONDS`."""

    _local: ClassVar[dict[str, _Memory]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, *, tenant_id: UUID, server: str) -> None:
        self._key = f"{redis_keys.installation('directory')}:{tenant_id}:{quote(server, safe='')}"
        self._pause = settings.DIRECTORY_PAUSE_SECONDS
        self._failed_before = False

    def allows(self) -> bool:
        """Whether to try. Where a trial is due, the one caller who is told so makes it."""
        return self._shared(self._allows, self._allows_here)

    def failed(self) -> None:
        self._shared(self._fail, self._fail_here)

    def succeeded(self) -> None:
        """Costs nothing where nothing had failed."""
        if self._failed_before:
            self._failed_before = False
            self.reset()

    def reset(self) -> None:
        self._forget_here()
        self._shared(self._forget, self._forget_here)

    def _allows(self) -> bool:
        redis = get_redis_connection()
        counted: Any = redis.get(f"{self._key}:failures")
        failures = int(counted or 0)
        self._failed_before = failures > 0
        if failures < FAILURES:
            return True
        # Who sets it makes the trial; everybody else waits for as long again.
        return bool(redis.set(f"{self._key}:quiet", 1, nx=True, ex=self._pause))

    def _fail(self) -> None:
        pipeline = get_redis_connection().pipeline()
        pipeline.incr(f"{self._key}:failures")
        pipeline.expire(f"{self._key}:failures", _FORGET_SECONDS)
        failures, _ = pipeline.execute()
        if failures >= FAILURES:
            get_redis_connection().set(f"{self._key}:quiet", 1, ex=self._pause)

    def _forget(self) -> None:
        get_redis_connection().delete(f"{self._key}:failures", f"{self._key}:quiet")

    def _allows_here(self) -> bool:
        with self._lock:
            memory = self._local.get(self._key, _Memory())
            self._failed_before = memory.failures > 0
            now = time.monotonic()
            if memory.failures < FAILURES:
                return True
            if memory.quiet_until > now:
                return False
            memory.quiet_until = now + self._pause
            return True

    def _fail_here(self) -> None:
        with self._lock:
            memory = self._local.setdefault(self._key, _Memory())
            memory.failures += 1
            memory.quiet_until = time.monotonic() + self._pause

    def _forget_here(self) -> None:
        with self._lock:
            self._local.pop(self._key, None)

    @staticmethod
    def _shared(there: Callable[[], T], here: Callable[[], T]) -> T:
        try:
            return there()
        except RedisError:
            return here()
