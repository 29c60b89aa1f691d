"""Tell the relay which schemas have something in their outbox, so that it need not look into all.

Only ever a hint: written after the commit by a thread of its own, lost when Redis is down. The
relay's sweep finds what no hint told of.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import cast

import redis
from django.conf import settings

from shared_apps.core import redis_keys

logger = logging.getLogger(__name__)

_PAUSE = 0.05  # seconds between two messages of one process, so that a busy one sends few


def key() -> str:
    """The Redis set of schemas; it belongs to the installation, not to a tenant."""
    return redis_keys.installation("audit:hints")


class _Sender:
    def __init__(self) -> None:
        self.schemas: set[str] = set()
        self.wanted = threading.Event()
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()

    def add(self, schema: str) -> None:
        if schema in self.schemas:
            return
        self.schemas.add(schema)
        self.wanted.set()
        if self.thread is None or not self.thread.is_alive():
            self._start()

    def _start(self) -> None:
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="audit-hints", daemon=True)
                self.thread.start()

    def _run(self) -> None:
        client = redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1
        )
        while True:
            self.wanted.wait()
            self.wanted.clear()
            # Swapped, not cleared: a schema added meanwhile is in the new set.
            schemas, self.schemas = self.schemas, set()
            try:
                if schemas:
                    client.sadd(key(), *schemas)
            except redis.RedisError:
                logger.debug("audit hints were not sent", exc_info=True)
            time.sleep(_PAUSE)


_sender = _Sender()


def send(schema: str) -> None:
    """A transaction that wrote in `schema` has been committed."""
    _sender.add(schema)


def take(client: "redis.Redis", *, is_ours: Callable[[str], bool]) -> set[str]:
    """The schemas with news that this relay works on; those of others stay for them.

    Raises:
        redis.RedisError: none can be had.
    """
    told = {name.decode() for name in cast("set[bytes]", client.smembers(key()))}
    ours = {schema for schema in told if is_ours(schema)}
    if ours:
        # Before the outboxes are looked into: what is told from now on is kept for the next time.
        client.srem(key(), *ours)
    return ours
