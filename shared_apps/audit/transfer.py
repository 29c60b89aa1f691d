"""One batch from one schema's outbox into the audit database, exactly once.

Claim and delete in the source, append and commit in the audit database, then commit the source. A
crash before the first commit leaves everything in the outbox; one between the two makes the next
relay send the batch again, and `audit.append` skips what it has. Projections of the changes are
written in the source's transaction. Nothing ever reads "everything
after number n": numbers become visible out of order.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shared_apps.audit import projections

INSTALLATION = UUID(int=0)
"""The chain of what belongs to no tenant: people, tenants themselves."""

_CLAIM = sql.SQL("""
    DELETE FROM {outbox} WHERE id IN (
        SELECT id FROM {outbox} ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
    RETURNING id, uid, created_at, table_name, operation, record_id, old_values::text AS old_values,
        new_values::text AS new_values, attribution, database_role, transaction_id::text AS transaction_id
""")

# Binary, because a list as text has all its quotes escaped, at three times the cost of everything else.
_APPEND = (
    "SELECT audit.append(%s, %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[],"
    " %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])"
)
_PORTION = 250  # rows

_DECODER = json.JSONDecoder(parse_float=str)


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: int
    uid: UUID
    created_at: datetime
    table_name: str
    operation: str
    record_id: str | None
    old_values: str | None
    new_values: str | None
    attribution: str | None
    database_role: str
    transaction_id: str


def move_batch(
    *,
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    schema: str,
    tenant_id: UUID | None,
    entities: Mapping[str, str],
    limit: int,
) -> int:
    """Move at most `limit` rows of a schema; returns how many. `tenant_id` None: the shared schema."""
    with source.transaction():
        with source.cursor(row_factory=class_row(OutboxRow)) as cursor:
            cursor.execute(_CLAIM.format(outbox=sql.Identifier(schema, "audit_outbox")), [limit])
            rows = sorted(cursor.fetchall(), key=lambda row: row.id)
        if rows:
            with target.transaction():
                for owner, owned in _by_tenant(rows, tenant_id).items():
                    _append(target, owner, owned, entities)
            if tenant_id is not None:
                projections.apply(source, tenant_id, _projected(rows, entities))
    return len(rows)


def _projected(rows: list[OutboxRow], entities: Mapping[str, str]) -> list[projections.Change]:
    """The changes that a projection asked for; of the others nobody needs the values."""
    wanted = projections.entities()
    named = ((entities.get(row.table_name, row.table_name), row) for row in rows)
    return [
        projections.Change(
            entity=entity, record_id=row.record_id, values=load_values(row.new_values)
        )
        for entity, row in named
        if entity in wanted and row.record_id is not None
    ]


def _by_tenant(rows: list[OutboxRow], tenant_id: UUID | None) -> dict[UUID, list[OutboxRow]]:
    if tenant_id is not None:
        return {tenant_id: rows}
    groups: dict[UUID, list[OutboxRow]] = defaultdict(list)
    for row in rows:
        groups[_owner_of_shared_row(row)].append(row)
    return groups


def _owner_of_shared_row(row: OutboxRow) -> UUID:
    """A shared row that names a tenant belongs into that tenant's trail."""
    values = json.loads(row.new_values or row.old_values or "{}")
    if row.table_name == "tenants_tenant":
        return UUID(values["id"])
    return UUID(values["tenant_id"]) if values.get("tenant_id") else INSTALLATION


def _append(
    target: psycopg.Connection[Any],
    tenant_id: UUID,
    rows: list[OutboxRow],
    entities: Mapping[str, str],
) -> None:
    """Append to one chain. The next portion is made while the server takes in the one before."""
    with target.pipeline():
        for start in range(0, len(rows), _PORTION):
            _append_portion(target, tenant_id, rows[start : start + _PORTION], entities)


def _append_portion(
    target: psycopg.Connection[Any],
    tenant_id: UUID,
    rows: list[OutboxRow],
    entities: Mapping[str, str],
) -> None:
    # Whoever changes many rows at once is the same in each of them.
    known = {text: _attribution(text) for text in {row.attribution for row in rows}}
    attributions = [known[row.attribution] for row in rows]
    target.execute(
        _APPEND,
        [
            tenant_id,
            [row.uid for row in rows],
            [row.created_at for row in rows],
            [entities.get(row.table_name, row.table_name) for row in rows],
            [row.operation for row in rows],
            [row.record_id for row in rows],
            [row.old_values for row in rows],
            [row.new_values for row in rows],
            [json.dumps(difference(row.old_values, row.new_values)) for row in rows],
            [who.modified_by for who in attributions],
            [who.text for who in attributions],
            [who.request_id for who in attributions],
            [row.database_role for row in rows],
            [row.transaction_id for row in rows],
        ],
    )


@dataclass(frozen=True, slots=True)
class _Attribution:
    text: str
    modified_by: str | None
    request_id: str | None


def _attribution(stored: str | None) -> _Attribution:
    """What was recorded of who did it. A write that nobody announced is marked as such."""
    try:
        who = json.loads(stored or "null")
    except ValueError:
        who = None
    if not isinstance(who, dict) or not who:
        who = {"unknown": "no attribution was set"}
    return _Attribution(
        text=json.dumps(who, separators=(",", ":"), sort_keys=True),
        modified_by=_modified_by(who),
        request_id=who.get("request_id"),
    )


def _modified_by(who: Mapping[str, str]) -> str | None:
    """The person's id, else `system:<what acted>`, else None."""
    if who.get("user_id"):
        return who["user_id"]
    return f"system:{who['system']}" if who.get("system") else None


def difference(old_text: str | None, new_text: str | None) -> dict[str, dict[str, Any]]:
    """Changed field → `{"old": …, "new": …}`; decimals stay exact, as strings."""
    old, new = load_values(old_text), load_values(new_text)
    if old is None or new is None:
        return {
            name: {"old": (old or {}).get(name), "new": (new or {}).get(name)}
            for name in old or new or {}
        }
    return {
        name: {"old": was, "new": now}
        for name in dict.fromkeys([*old, *new])
        if (was := old.get(name)) != (now := new.get(name))
        or (name in old) != (name in new)
        # To Python 1 is True, also deep inside; their texts differ.
        or (was.__class__ is not str and repr(was) != repr(now))
    }


def load_values(text: str | None) -> dict[str, Any] | None:
    """A stored image. Numbers with a point become strings: 10.50 must not turn into 10.5."""
    return None if text is None else _DECODER.decode(text)
