"""What a look at the relays and the outboxes shows: for `audit status`, the doctor and metrics."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg.rows import class_row

from shared_apps.audit import backlog
from shared_apps.audit.backlog import Backlog
from shared_apps.audit.relay import heartbeat, outboxes, shards
from shared_apps.core import databases
from shared_apps.core.databases import Database

_ALIVE = 6 * heartbeat.EVERY


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What a relay last told of itself."""

    id: UUID
    host: str
    process_id: int
    started_at: datetime
    seen_seconds: float
    """How long ago that was, by the audit database's clock."""
    shards: list[int]
    moved: int
    moved_at: datetime | None
    rows_per_second: float
    waiting: int
    """Outboxes of its shards that were not empty."""
    oldest_at: datetime | None
    failing: list[dict[str, Any]]
    """Outboxes that it cannot empty: schema, reason, since, times."""

    @property
    def is_alive(self) -> bool:
        return self.seen_seconds < _ALIVE


@dataclass(frozen=True, slots=True)
class Condition:
    waiting: list[Backlog]
    closed: list[str]
    """Schemas whose outbox the relay may not empty, or that have none."""
    relays: list[RelayReport]

    @property
    def rows(self) -> int:
        return sum(outbox.rows for outbox in self.waiting)

    @property
    def oldest_seconds(self) -> float:
        return max((outbox.oldest_seconds for outbox in self.waiting), default=0.0)

    @property
    def free_shards(self) -> list[int]:
        """Those that no live relay works on."""
        held = {shard for relay in self.relays if relay.is_alive for shard in relay.shards}
        return [shard for shard in range(shards.COUNT) if shard not in held]

    @property
    def failing(self) -> list[dict[str, Any]]:
        return [failure for relay in self.relays if relay.is_alive for failure in relay.failing]


def examine() -> Condition:
    """As the relay's two logins.

    Raises:
        psycopg.Error: a database cannot be reached.
    """
    with databases.connect(
        settings.RELAY_DATABASE_URL, Database.TENANTS, autocommit=True
    ) as source:
        waiting = backlog.measure(source, now=datetime.now(UTC))
        closed = outboxes.list_closed_outboxes(source)
    with databases.connect(settings.AUDIT_DATABASE_URL, Database.AUDIT, autocommit=True) as audit:
        return Condition(waiting, closed, list_relays(audit))


def list_relays(audit: psycopg.Connection[Any]) -> list[RelayReport]:
    """Those of the last day; none where the audit database is older than this program."""
    with audit.cursor(row_factory=class_row(RelayReport)) as cursor:
        try:
            return cursor.execute(
                "SELECT id, host, process_id, started_at, shards, moved, moved_at, rows_per_second,"
                " extract(epoch FROM clock_timestamp() - seen_at)::float AS seen_seconds,"
                " waiting, oldest_at, failing FROM audit.relay ORDER BY started_at"
            ).fetchall()
        except psycopg.errors.UndefinedTable:
            return []
