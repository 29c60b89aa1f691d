"""One batch from one schema's outbox into the audit database, exactly once.

Claim and delete in the source, append and commit in the audit database, then commit the source. A
crash before the first commit leaves everything in the outbox; one between the two makes the next
relay send the batch again, and `audit.append` skips what it has. Projections of the changes are
written in the source's transaction. Nothing ever reads "everything
after number n": numbers become visible out of order.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shared_apps.audit import attributing, projections
from shared_apps.audit.sealing.sealer import sealed

INSTALLATION = UUID(int=0)
"""The chain of what belongs to no tenant: people, tenants themselves."""

# NOWAIT: what another relay claimed and has not committed may turn up again, and comes before the rest.
_CLAIM = sql.SQL("""
    DELETE FROM {outbox} WHERE id IN (
        SELECT id FROM {outbox} ORDER BY id LIMIT %s FOR UPDATE NOWAIT)
    RETURNING id, uid, created_at, table_name, operation, record_id, old_values::text AS old_values,
        new_values::text AS new_values, attribution, database_role, transaction_id::text AS transaction_id
""")

# Binary, because a list as text has all its quotes escaped, at three times the cost of everything else.
_APPEND = (
    "SELECT audit.append(%s, %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[],"
    " %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])"
)
_PORTION = 250  # rows

_LONGEST_NUMBER = 4000  # digits; Python makes no number of much more
_LONGEST_ID = 2000  # bytes; not much more fits into an index

NOT_COMPARED: Final = {"": {"old": None, "new": "nested too deep to be compared"}}
"""The difference of images that PostgreSQL holds and Python cannot read: their change is stored all the same."""


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


_DECODER = json.JSONDecoder(parse_float=str, parse_int=_integer)


class OwnerChangedError(Exception):
    """The schema is not this tenant's any more."""


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
    """Move at most `limit` rows of a schema; returns how many. `tenant_id` None: the shared schema.

    Raises:
        OwnerChangedError: the schema was dropped meanwhile, and perhaps made again for another tenant.
        psycopg.errors.LockNotAvailable: another relay has claimed rows and neither finished nor ended.
    """
    with source.transaction():
        with source.cursor(row_factory=class_row(OutboxRow)) as cursor:
            cursor.execute(_CLAIM.format(outbox=sql.Identifier(schema, "audit_outbox")), [limit])
            rows = sorted(cursor.fetchall(), key=lambda row: row.id)
        if rows:
            # While there is a claim the schema cannot be dropped, so the answer holds.
            if tenant_id is not None and _owner_of(source, schema) != tenant_id:
                raise OwnerChangedError(schema)
            with target.transaction():
                for owner, owned in _by_tenant(_attributed(rows), tenant_id).items():
                    _append(target, owner, sealed(source, owner, owned), entities)
            if tenant_id is not None:
                projections.apply(source, tenant_id, _projected(rows, entities))
    return len(rows)


def _owner_of(source: psycopg.Connection[Any], schema: str) -> UUID | None:
    query = "SELECT id FROM public.tenants_tenant WHERE schema_name = %s"
    row = source.execute(query, [schema]).fetchone()
    return row[0] if row else None


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
    values = load_values(row.new_values or row.old_values) or {}
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
            [stored_id(row.record_id) for row in rows],
            [row.old_values for row in rows],
            [row.new_values for row in rows],
            [_difference(row) for row in rows],
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
    """Of one that was read by `_attributed`; an address in it may have been sealed since."""
    who = json.loads(stored or "{}")
    return _Attribution(
        text=stored or "{}",
        modified_by=attributing.modified_by(who),
        request_id=who.get("request_id"),
    )


def _attributed(rows: list[OutboxRow]) -> list[OutboxRow]:
    """With attributions that can be believed to be such, each written in one way."""
    known = {
        text: json.dumps(attributing.read(text), separators=(",", ":"), sort_keys=True)
        for text in {row.attribution for row in rows}
    }
    return [replace(row, attribution=known[row.attribution]) for row in rows]


def stored_id(record_id: str | None) -> str | None:
    """A record's name in the trail: one of more than 2,000 bytes is named by its hash.

    It would be too long for an index of the audit database, and its change would wait for ever.
    """
    if record_id is None or len(record_id) * 4 <= _LONGEST_ID:
        return record_id
    data = record_id.encode()
    return record_id if len(data) <= _LONGEST_ID else f"sha256:{hashlib.sha256(data).hexdigest()}"


def _difference(row: OutboxRow) -> str:
    try:
        return json.dumps(difference(row.old_values, row.new_values))
    except RecursionError:
        return json.dumps(NOT_COMPARED)


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
    """A stored image. Numbers with a point become strings: 10.50 must not turn into 10.5.

    Raises:
        RecursionError: it is nested deeper than Python reads.
    """
    return None if text is None else _DECODER.decode(text)


def readable_values(text: str | None) -> dict[str, Any] | None:
    """The same for people who read entries: what Python cannot read is in an export."""
    try:
        return load_values(text)
    except RecursionError:
        return {"": "nested too deep to be shown"}
