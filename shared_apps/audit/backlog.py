"""How much waits in the outboxes, and for how long."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from shared_apps.audit.relay import outboxes
from shared_apps.audit.relay.shards import shard_of


@dataclass(frozen=True, slots=True)
class Backlog:
    schema: str
    rows: int
    oldest_seconds: float
    shard: int


def measure(source: psycopg.Connection[Any], *, now: datetime) -> list[Backlog]:
    """Every outbox that is not empty, the one that has waited longest first."""
    found: list[Backlog] = []
    for schema in outboxes.look(source, outboxes.list_outboxes(source)).oldest:
        query = sql.SQL("SELECT count(*), min(created_at) FROM {}").format(
            sql.Identifier(schema, "audit_outbox")
        )
        rows, oldest = source.execute(query).fetchone() or (0, None)
        if rows and oldest:
            age = max(0.0, (now - oldest).total_seconds())
            found.append(Backlog(schema, rows, age, shard_of(schema)))
    return sorted(found, key=lambda outbox: -outbox.oldest_seconds)
