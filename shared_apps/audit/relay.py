"""The process that moves every outbox into the audit database.

One relay works at a time: it holds an advisory lock in the audit database, others wait for it. A hint
says where something lies; a sweep over all outboxes, every so often, finds the rest.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import psycopg
import redis
from django.conf import settings
from psycopg import sql

from shared_apps.audit import hints, triggers
from shared_apps.audit.transfer import move_batch
from shared_apps.core.errors import explain

logger = logging.getLogger(__name__)

SHARED_SCHEMA = "public"
BATCH = 1000  # rows
_IDLE_PAUSE = 0.1  # seconds; a hint waits at most this long
_SWEEP_AT_LEAST_EVERY = 0.5  # seconds
_SWEEP_SHARE = 20  # a sweep may take a twentieth of the time
_RETRY_LIMIT = 5.0  # seconds between attempts while a database is away
_SCHEMAS_PER_QUERY = 100


@dataclass
class Relay:
    """`run()` works until `stop()`; `run_once()` until every outbox is empty."""

    source_url: str
    target_url: str
    redis_url: str
    moved: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Finish the batch in hand and end."""
        self._stopping.set()

    def run(self) -> None:
        pause = _IDLE_PAUSE
        while not self._stopping.is_set():
            try:
                with self._connections() as (source, target):
                    logger.info("The relay is working")
                    pause = _IDLE_PAUSE
                    self._work(source, target)
            except psycopg.Error as error:
                # Nothing is lost: what was claimed is in the outbox again.
                logger.warning(
                    "A database is away, trying again in %.1f s: %s", pause, explain(error)
                )
                self._stopping.wait(pause)
                pause = min(pause * 2, _RETRY_LIMIT)

    def run_once(self) -> int:
        """Empty every outbox; returns the number of rows moved.

        Raises:
            psycopg.Error: a database cannot be reached; what was moved is moved, the rest is where it was.
        """
        with self._connections() as (source, target):
            before = self.moved
            self._sweep(source, target, outbox_schemas(source))
            return self.moved - before

    @contextmanager
    def _connections(self) -> Iterator[tuple[psycopg.Connection[Any], psycopg.Connection[Any]]]:
        with ExitStack() as stack:
            source, target = (
                stack.enter_context(psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="freehold relay"))
                for url in (self.source_url, self.target_url)
            )  # fmt: skip
            source.execute("SET timezone = 'UTC'")
            self._wait_for_turn(target)
            yield source, target

    def _wait_for_turn(self, target: psycopg.Connection[Any]) -> None:
        """Hold the lock that makes this the only relay at work."""
        waiting = False
        while not self._stopping.is_set():
            row = target.execute(
                "SELECT pg_try_advisory_lock(hashtext('freehold.audit.relay'))"
            ).fetchone()
            if row and row[0]:
                return
            if not waiting:
                logger.info("Another relay is at work; waiting")
                waiting = True
            self._stopping.wait(0.5)

    def _work(self, source: psycopg.Connection[Any], target: psycopg.Connection[Any]) -> None:
        client = redis.Redis.from_url(self.redis_url, socket_timeout=1, socket_connect_timeout=1)
        next_sweep = 0.0
        while not self._stopping.is_set():
            hinted = _hinted(client)
            if hinted:
                schemas = outbox_schemas(source)
                for schema in hinted & schemas.keys():
                    self._drain(source, target, schema, schemas[schema])
            if time.monotonic() >= next_sweep:
                started = time.monotonic()
                self._sweep(source, target, outbox_schemas(source))
                took = time.monotonic() - started
                next_sweep = time.monotonic() + max(_SWEEP_AT_LEAST_EVERY, took * _SWEEP_SHARE)
            elif not hinted:
                self._stopping.wait(_IDLE_PAUSE)

    def _sweep(
        self,
        source: psycopg.Connection[Any],
        target: psycopg.Connection[Any],
        schemas: dict[str, UUID | None],
    ) -> None:
        for schema in list(filled_outboxes(source, list(schemas))):
            self._drain(source, target, schema, schemas[schema])

    def _drain(
        self,
        source: psycopg.Connection[Any],
        target: psycopg.Connection[Any],
        schema: str,
        tenant_id: UUID | None,
    ) -> None:
        entities = triggers.entity_names()
        while not self._stopping.is_set():
            count = move_batch(
                source=source,
                target=target,
                schema=schema,
                tenant_id=tenant_id,
                entities=entities,
                limit=BATCH,
            )
            self.moved += count
            if count < BATCH:
                return


def filled_outboxes(source: psycopg.Connection[Any], schemas: list[str]) -> Iterator[str]:
    """The schemas whose outbox holds anything: one query for a hundred of them.

    On Citus one for each, because a query of several nodes' schemas brings their rows together first.
    """
    portion = 1 if settings.DATABASE_SHARDING == "citus" else _SCHEMAS_PER_QUERY
    for start in range(0, len(schemas), portion):
        parts = [
            sql.SQL("(SELECT {name} FROM {outbox} LIMIT 1)").format(
                name=sql.Literal(schema), outbox=sql.Identifier(schema, "audit_outbox")
            )
            for schema in schemas[start : start + portion]
        ]
        for row in source.execute(sql.SQL(" UNION ALL ").join(parts)):
            yield row[0]


def outbox_schemas(source: psycopg.Connection[Any]) -> dict[str, UUID | None]:
    """Every schema that has an outbox this login may read → its tenant; the shared one has none."""
    rows = source.execute(
        "SELECT t.schema_name, t.id FROM tenants_tenant t"
        " JOIN pg_namespace n ON n.nspname = t.schema_name"
        " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'audit_outbox'"
        " WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE')"
    ).fetchall()
    return {SHARED_SCHEMA: None, **dict(rows)}


def _hinted(client: "redis.Redis") -> set[str]:
    try:
        found = cast("list[bytes]", client.spop(hints.key(), 100))
        return {schema.decode() for schema in found}
    except redis.RedisError:
        return set()
