"""Leave a dependency alone that has failed several times in a row, until a trial says that it is back.

All processes know together, through Redis; without Redis each knows for itself. A circuit belongs to one
tenant, or to the installation: another tenant with the same server has its own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import quote, unquote
from uuid import UUID

from django.conf import settings
from django_redis import get_redis_connection
from redis.exceptions import RedisError

from shared_apps.core import redis_keys
from shared_apps.core.errors import UnavailableError

T = TypeVar("T")

_FORGET_SECONDS: Final = 300
# A Redis that hangs would be asked by every call, which ought to be refused at once.
_REDIS_IS_LEFT_ALONE_SECONDS: Final = 5.0


class CircuitOpenError(UnavailableError):
    code = "dependency_unavailable"
    message = "A service that this needs has failed several times; it is left alone for a while."


class CircuitState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """The next call is the trial."""


@dataclass(frozen=True, slots=True)
class OpenCircuit:
    dependency: str
    tenant_id: UUID | None
    name: str


@dataclass
class _Memory:
    failures: int = 0
    quiet_until: float = 0.0


class CircuitBreaker:
    """Closed until `failures` in a row; then one trial each `pause` seconds, by one of all processes."""

    _local: ClassVar[dict[str, _Memory]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()
    # By its address: until when it is not asked.
    _away: ClassVar[dict[str, float]] = {}

    def __init__(
        self, *, dependency: str, name: str, tenant_id: UUID | None, failures: int, pause: int
    ) -> None:
        """`dependency` is the kind (`directory`, `smtp`), `name` which of them (`host:port`)."""
        self._member = ":".join(
            quote(part, safe="") for part in (dependency, str(tenant_id or ""), name)
        )
        self._key = f"{redis_keys.installation('breaker')}:{self._member}"
        self._failures = failures
        self._pause = pause
        self._failed_before = False

    @contextmanager
    def guard(self, *, counts: tuple[type[Exception], ...]) -> Iterator[None]:
        """One call: refused while the circuit is open, and judged by whether it raises one of `counts`.

        Raises:
            CircuitOpenError: it is open; the call was not made.
        """
        if not self.allows():
            raise CircuitOpenError
        try:
            yield
        except counts:
            self.failed()
            raise
        except Exception:
            self.succeeded()  # it answered, whatever we made of it
            raise
        self.succeeded()

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

    def state(self) -> CircuitState:
        """As it stands; makes no trial."""
        return self._shared(self._state, self._state_here)

    # -- in Redis -------------------------------------------------------------------------------

    def _allows(self) -> bool:
        redis = get_redis_connection()
        counted: Any = redis.get(f"{self._key}:failures")
        failures = int(counted or 0)
        self._failed_before = failures > 0
        if failures < self._failures:
            return True
        # Who sets it makes the trial; everybody else waits for as long again.
        return bool(redis.set(f"{self._key}:quiet", 1, nx=True, ex=self._pause))

    def _fail(self) -> None:
        pipeline = get_redis_connection().pipeline()
        pipeline.incr(f"{self._key}:failures")
        pipeline.expire(f"{self._key}:failures", max(_FORGET_SECONDS, 2 * self._pause))
        failures, _ = pipeline.execute()
        if failures >= self._failures:
            opened = get_redis_connection().pipeline()
            opened.set(f"{self._key}:quiet", 1, ex=self._pause)
            opened.zadd(_open_circuits(), {self._member: time.time() + self._pause})
            opened.execute()

    def _forget(self) -> None:
        pipeline = get_redis_connection().pipeline()
        pipeline.delete(f"{self._key}:failures", f"{self._key}:quiet")
        pipeline.zrem(_open_circuits(), self._member)
        pipeline.execute()

    def _state(self) -> CircuitState:
        found: Any = get_redis_connection().mget(f"{self._key}:failures", f"{self._key}:quiet")
        failures, quiet = found
        return self._named(int(failures or 0), is_quiet=quiet is not None)

    # -- in this process ------------------------------------------------------------------------

    def _allows_here(self) -> bool:
        with self._lock:
            memory = self._local.get(self._key, _Memory())
            self._failed_before = memory.failures > 0
            now = time.monotonic()
            if memory.failures < self._failures:
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

    def _state_here(self) -> CircuitState:
        with self._lock:
            memory = self._local.get(self._key, _Memory())
            return self._named(memory.failures, is_quiet=memory.quiet_until > time.monotonic())

    def _named(self, failures: int, *, is_quiet: bool) -> CircuitState:
        if failures < self._failures:
            return CircuitState.CLOSED
        return CircuitState.OPEN if is_quiet else CircuitState.HALF_OPEN

    @classmethod
    def _shared(cls, there: Callable[[], T], here: Callable[[], T]) -> T:
        caches: Any = settings.CACHES
        address = str(caches["default"]["LOCATION"])
        if cls._away.get(address, 0.0) > time.monotonic():
            return here()
        try:
            return there()
        except RedisError:
            cls._away[address] = time.monotonic() + _REDIS_IS_LEFT_ALONE_SECONDS
            return here()


def list_open() -> list[OpenCircuit]:
    """Of the whole installation, for metrics.

    Raises:
        RedisError: nobody can tell.
    """
    redis = get_redis_connection()
    redis.zremrangebyscore(_open_circuits(), "-inf", time.time() - _FORGET_SECONDS)
    members: Any = redis.zrange(_open_circuits(), 0, -1)
    return [_parsed(member.decode()) for member in members]


def _parsed(member: str) -> OpenCircuit:
    dependency, tenant, name = (unquote(part) for part in member.split(":"))
    return OpenCircuit(dependency, UUID(tenant) if tenant else None, name)


def _open_circuits() -> str:
    return f"{redis_keys.installation('breaker')}:open"
