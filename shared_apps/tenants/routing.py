"""Which tenant a host name belongs to: looked up once, remembered in the process.

A change of any tenant or domain is announced on a Redis channel and empties the memory of every
process. Where the channel is down an entry lives for a second only. A request that is signed in is
safe even from that second: its session is read together with the tenant's state (authn).
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis
from django.conf import settings
from django.db import connections

from shared_apps.core import redis_keys
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState

logger = logging.getLogger(__name__)

_LIFE_WITH_CHANNEL = 60.0  # seconds
_LIFE_WITHOUT_CHANNEL = 1.0
_CAPACITY = 10_000


@dataclass(frozen=True, slots=True)
class Route:
    """What a host name leads to."""

    tenant: TenantIdentity
    state: TenantState
    reason: str


class _Memory:
    def __init__(self) -> None:
        self.routes: dict[str, tuple[float, Route]] = {}
        self.listener: threading.Thread | None = None
        self.is_listening = False
        self.lock = threading.Lock()
        self.watchers: tuple[Callable[[], None], ...] = ()

    def forget(self) -> None:
        # Another dict, not an empty one: whoever asks the database now puts what it read before the
        # change into the old one, where nobody finds it.
        self.routes = {}

    def life(self) -> float:
        return _LIFE_WITH_CHANNEL if self.is_listening else _LIFE_WITHOUT_CHANNEL


_memory = _Memory()


def channel_name() -> str:
    """It belongs to the installation: every process of it listens."""
    return redis_keys.installation("routing")


def find_route(host: str) -> Route | None:
    """The route of a canonical host name, from memory or the database.

    Unknown hosts are not remembered: their number is the sender's choice.
    """
    routes = _memory.routes
    known = routes.get(host)
    if known is not None and time.monotonic() - known[0] < _memory.life():
        return known[1]
    _start_listening()
    asked_at = time.monotonic()
    tenant = selectors.find_tenant_by_host(host=host)
    hand_back_connection()
    if tenant is None:
        routes.pop(host, None)
        return None
    route = Route(
        tenant=tenant.identity, state=TenantState(tenant.state), reason=tenant.state_reason
    )
    if len(routes) >= _CAPACITY:
        routes.clear()
    routes[host] = (asked_at, route)
    return route


def hand_back_connection() -> None:
    """Give this thread's connection back to the pool, if there is one.

    Whoever waits for its turn must not hold what those at work need.
    """
    connection = connections["default"]
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


def announce_change() -> None:
    """Make every process look again. Best effort: without Redis the short life does it."""
    _memory.forget()
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
        ) as client:
            client.publish(channel_name(), "changed")
    except redis.RedisError:
        logger.warning(
            "Routing change could not be announced; other processes follow within a second"
        )


def watch_changes(watcher: Callable[[], None]) -> None:
    """Call this, in another thread, whenever a change was announced; best effort, as the announcement is."""
    with _memory.lock:
        _memory.watchers = (*_memory.watchers, watcher)
    _start_listening()


def unwatch_changes(watcher: Callable[[], None]) -> None:
    with _memory.lock:
        _memory.watchers = tuple(other for other in _memory.watchers if other != watcher)


def _tell_watchers() -> None:
    for watcher in _memory.watchers:
        try:
            watcher()
        except Exception:
            logger.exception("A change of the routing could not be passed on")


def _start_listening() -> None:
    if _memory.listener is not None and _memory.listener.is_alive():
        return
    with _memory.lock:
        if _memory.listener is None or not _memory.listener.is_alive():
            _memory.listener = threading.Thread(target=_listen, name="routing", daemon=True)
            _memory.listener.start()


def _listen() -> None:
    while True:
        try:
            with (
                redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2) as client,
                client.pubsub(ignore_subscribe_messages=True) as channel,
            ):
                channel.subscribe(channel_name())
                # Whatever was announced before the subscription was missed.
                _memory.forget()
                _memory.is_listening = True
                while True:
                    if channel.get_message(timeout=30.0):
                        _memory.forget()
                        _tell_watchers()
                    else:
                        client.ping()
        except (redis.RedisError, OSError):
            _memory.is_listening = False
            time.sleep(1.0)
