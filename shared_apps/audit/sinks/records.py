"""The sinks that there are, in the audit database: with the entries, so that a restored one fits them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shared_apps.audit.errors import SinkError
from shared_apps.core.references import Reference

MOST_FAILURES = 20
"""One after another; then a sink is disabled until somebody has looked at it. About three hours."""


@dataclass(frozen=True, slots=True)
class Sink:
    """A destination of one tenant's entries."""

    id: UUID
    tenant_id: UUID
    name: str
    destination: str
    format: str
    secret: dict[str, str] | None
    sequence: int
    """The last entry that the destination has taken."""
    delivered_at: datetime | None
    failures: int
    last_error: str | None
    retry_at: datetime
    disabled_at: datetime | None
    head: int
    """The number of the tenant's last entry."""

    @property
    def reference(self) -> Reference | None:
        return Reference.of(self.secret) if self.secret else None

    @property
    def state(self) -> str:
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failures else "working"


_READ = sql.SQL(
    "SELECT s.*, coalesce(c.sequence, 0) AS head FROM audit.sink s"
    " LEFT JOIN audit.chain c USING (tenant_id) WHERE {} ORDER BY s.retry_at, s.tenant_id, s.name"
)
_DUE = sql.SQL("s.disabled_at IS NULL AND s.retry_at <= now() AND c.sequence > s.sequence")
_OF_TENANTS = sql.SQL("%(tenants)s::uuid[] IS NULL OR s.tenant_id = ANY(%(tenants)s)")


def list_sinks(
    connection: psycopg.Connection[Any], tenants: Sequence[UUID] | None = None
) -> list[Sink]:
    return _fetch(connection, _OF_TENANTS, {"tenants": None if tenants is None else list(tenants)})


def list_due(connection: psycopg.Connection[Any]) -> list[Sink]:
    """Those that have something to send and may be tried; who has waited longest comes first."""
    return _fetch(connection, _DUE, {})


def find_sink(connection: psycopg.Connection[Any], tenant_id: UUID, name: str) -> Sink | None:
    found = list_sinks(connection, [tenant_id])
    return next((sink for sink in found if sink.name == name), None)


def record_delivery(connection: psycopg.Connection[Any], sink: Sink, *, to: int) -> bool:
    """False: it is no longer where it was, so this says nothing about it."""
    row = connection.execute(
        "SELECT audit.sink_delivered(%s, %s, %s)", [sink.id, sink.sequence, to]
    ).fetchone()
    return bool(row and row[0])


def record_failure(
    connection: psycopg.Connection[Any], sink: Sink, *, reason: str, wait: timedelta
) -> None:
    connection.execute(
        "SELECT audit.sink_failed(%s, %s, %s, %s, %s)",
        [sink.id, sink.sequence, reason.replace("\0", ""), wait, MOST_FAILURES],
    )


def add(
    owner: psycopg.Connection[Any],
    *,
    tenant_id: UUID,
    name: str,
    destination: str,
    entry_format: str,
    secret: Reference | None,
    after: int | None,
) -> Sink:
    """`after`: the entry after which it begins; None: with what is written from now on.

    Raises:
        SinkError: there is one of this name, or no entry has that number yet.
    """
    row = owner.execute(
        "SELECT sequence FROM audit.chain WHERE tenant_id = %s", [tenant_id]
    ).fetchone()
    head = row[0] if row else 0
    if after is not None and after > head:
        raise SinkError(f"the last entry is {head}, so nothing can begin after {after}")
    try:
        owner.execute(
            "INSERT INTO audit.sink (tenant_id, name, destination, format, secret, sequence)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [
                tenant_id,
                name,
                destination,
                entry_format,
                json.dumps(secret.as_declared) if secret else None,
                head if after is None else after,
            ],
        )
    except psycopg.errors.UniqueViolation:
        raise SinkError(f"there is a sink {name} already") from None
    except psycopg.errors.CheckViolation:
        raise SinkError(
            f"{name!r} is no name: small letters, digits and -, at most 40, a letter first"
        ) from None
    sink = find_sink(owner, tenant_id, name)
    assert sink is not None
    return sink


def remove(owner: psycopg.Connection[Any], sink: Sink) -> None:
    owner.execute("DELETE FROM audit.sink WHERE id = %s", [sink.id])


def change(
    owner: psycopg.Connection[Any],
    sink: Sink,
    *,
    destination: str,
    entry_format: str,
    secret: Reference | None,
) -> None:
    """It goes on where it was, and is tried at once; one that its failures disabled is enabled."""
    owner.execute(
        "UPDATE audit.sink SET destination = %(destination)s, format = %(format)s, secret = %(secret)s,"
        " disabled_at = CASE WHEN failures < %(most)s THEN disabled_at END,"
        " failures = 0, last_error = NULL, retry_at = now() WHERE id = %(id)s",
        {
            "id": sink.id,
            "destination": destination,
            "format": entry_format,
            "secret": json.dumps(secret.as_declared) if secret else None,
            "most": MOST_FAILURES,
        },
    )


def disable(owner: psycopg.Connection[Any], sink: Sink) -> None:
    owner.execute(
        "UPDATE audit.sink SET disabled_at = coalesce(disabled_at, now()) WHERE id = %s", [sink.id]
    )


def enable(owner: psycopg.Connection[Any], sink: Sink, *, after: int | None) -> None:
    """It is tried at once. `after` sets it back, or past what it cannot have any more.

    Raises:
        SinkError: no entry has that number yet.
    """
    if after is not None and after > sink.head:
        raise SinkError(f"the last entry is {sink.head}, so nothing can begin after {after}")
    owner.execute(
        "UPDATE audit.sink SET disabled_at = NULL, failures = 0, last_error = NULL, retry_at = now(),"
        " sequence = coalesce(%s, sequence) WHERE id = %s",
        [after, sink.id],
    )


def _fetch(
    connection: psycopg.Connection[Any], condition: sql.SQL, values: dict[str, Any]
) -> list[Sink]:
    with connection.cursor(row_factory=class_row(Sink)) as cursor:
        return cursor.execute(_READ.format(condition), values).fetchall()
