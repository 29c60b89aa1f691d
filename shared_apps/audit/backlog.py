"""How much waits in the outboxes, and for how long."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from shared_apps.audit.relay import filled_outboxes, outbox_schemas


@dataclass(frozen=True, slots=True)
class Backlog:
    schema: str
    rows: int
    oldest_seconds: float


def measure(source: psycopg.Connection[Any], *, now: datetime) -> list[Backlog]:
    """Every outbox that is not empty, the one that has waited longest first."""
    found: list[Backlog] = []
    for schema in list(filled_outboxes(source, list(outbox_schemas(source)))):
        query = sql.SQL("SELECT count(*), min(created_at) FROM {}").format(
            sql.Identifier(schema, "audit_outbox")
        )
        rows, oldest = source.execute(query).fetchone() or (0, None)
        if rows and oldest:
            found.append(Backlog(schema, rows, max(0.0, (now - oldest).total_seconds())))
    return sorted(found, key=lambda outbox: -outbox.oldest_seconds)
