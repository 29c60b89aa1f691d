"""One batch from outboxes into the audit database, exactly once.

Claim and delete in the source, append and commit in the audit database, then commit the source. A
crash before the first commit leaves everything in the outbox; one between the two makes the next
relay send the batch again, and `audit.append` skips what it has. Projections of the changes are
written in the source's transaction. Nothing ever reads "everything
after number n": numbers become visible out of order.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql

from shared_apps.audit import arrays, attributing, images, projections
from shared_apps.audit.sealing.sealer import sealed

INSTALLATION = UUID(int=0)
"""The chain of what belongs to no tenant: people, tenants themselves."""

# NOWAIT: what another relay claimed and has not committed may turn up again, and comes before the rest.
# An array: IN may be planned so that the part with the limit runs again for each row.
_CLAIM = sql.SQL("""
    DELETE FROM {outbox} WHERE id = ANY (ARRAY(
        SELECT id FROM {outbox} ORDER BY id LIMIT %s FOR UPDATE NOWAIT))
    RETURNING id, uid, created_at, table_name, operation, record_id, old_values::text AS old_values,
        new_values::text AS new_values, attribution, database_role, transaction_id::text AS transaction_id
""")

# Binary, because a list as text has all its quotes escaped, at three times the cost of everything else.
_APPEND = (
    "SELECT audit.append(%s, %b::uuid[], %b::timestamptz[], %b::text[], %b::text[], %b::text[],"
    " %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])"
)
_PORTION = 250  # rows

_LONGEST_ID = 2000  # bytes; not much more fits into an index


class OwnerChangedError(Exception):
    """The schema is not this tenant's any more."""


class OutboxRow(NamedTuple):
    """A tuple, because one is made of every row that is moved."""

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


@dataclass(frozen=True, slots=True)
class Claim:
    """At most so many rows of a schema's outbox. `tenant_id` None: the shared schema."""

    schema: str
    tenant_id: UUID | None
    limit: int


def move_batch(
    *,
    source: psycopg.Connection[Any],
    target: psycopg.Connection[Any],
    claims: Sequence[Claim],
    entities: Mapping[str, str],
) -> dict[str, int]:
    """Move rows of one or several schemas, all or none; returns how many of each.

    Raises:
        OwnerChangedError: a schema was dropped meanwhile, and perhaps made again for another tenant.
        psycopg.errors.LockNotAvailable: another relay has claimed rows and neither finished nor ended.
    """
    with source.transaction():
        claimed = _claimed(source, claims)
        if any(claimed.values()):
            _require_owners(source, [claim for claim, rows in claimed.items() if rows])
            with target.transaction():
                # In one order, so that two relays who add to the same trails do not wait for each other.
                for owner, rows in sorted(_by_tenant(claimed).items()):
                    _append(target, owner, sealed(source, owner, rows), entities)
            for claim, rows in claimed.items():
                if claim.tenant_id is not None and rows:
                    projections.apply(source, claim.tenant_id, _projected(rows, entities))
    return {claim.schema: len(rows) for claim, rows in claimed.items()}


def _claimed(
    source: psycopg.Connection[Any], claims: Sequence[Claim]
) -> dict[Claim, list[OutboxRow]]:
    cursors = {claim: source.cursor(binary=True) for claim in claims}
    # Of many outboxes in one message.
    with source.pipeline() if len(claims) > 1 else nullcontext():
        for claim, cursor in cursors.items():
            outbox = sql.Identifier(claim.schema, "audit_outbox")
            cursor.execute(_CLAIM.format(outbox=outbox), [claim.limit])
    return {
        claim: _attributed(sorted(map(OutboxRow._make, cursor.fetchall())))
        for claim, cursor in cursors.items()
    }


def _require_owners(source: psycopg.Connection[Any], claims: Sequence[Claim]) -> None:
    """While there is a claim the schema cannot be dropped, so the answer holds."""
    expected = {claim.schema: claim.tenant_id for claim in claims if claim.tenant_id is not None}
    if not expected:
        return
    query = "SELECT schema_name, id FROM public.tenants_tenant WHERE schema_name = ANY(%s)"
    found = dict(source.execute(query, [list(expected)]).fetchall())
    if changed := sorted(name for name, owner in expected.items() if found.get(name) != owner):
        raise OwnerChangedError(", ".join(changed))


def _by_tenant(claimed: Mapping[Claim, list[OutboxRow]]) -> dict[UUID, list[OutboxRow]]:
    groups: dict[UUID, list[OutboxRow]] = defaultdict(list)
    for claim, rows in claimed.items():
        if claim.tenant_id is not None:
            groups[claim.tenant_id] += rows
            continue
        for row in rows:
            groups[_owner_of_shared_row(row)].append(row)
    return dict(groups)


def _projected(rows: list[OutboxRow], entities: Mapping[str, str]) -> list[projections.Change]:
    """The changes that a projection asked for; of the others nobody needs the values."""
    wanted = projections.entities()
    named = ((entities.get(row.table_name, row.table_name), row) for row in rows)
    return [
        projections.Change(
            entity=entity, record_id=row.record_id, values=images.load_values(row.new_values)
        )
        for entity, row in named
        if entity in wanted and row.record_id is not None
    ]


def _owner_of_shared_row(row: OutboxRow) -> UUID:
    """A shared row that names a tenant belongs into that tenant's trail."""
    values = images.load_values(row.new_values or row.old_values) or {}
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
            arrays.uuids([row.uid for row in rows]),
            arrays.timestamps([row.created_at for row in rows]),
            arrays.texts([entities.get(row.table_name, row.table_name) for row in rows]),
            arrays.texts([row.operation for row in rows]),
            arrays.texts([stored_id(row.record_id) for row in rows]),
            arrays.texts([row.old_values for row in rows]),
            arrays.texts([row.new_values for row in rows]),
            arrays.texts([_difference(row) for row in rows]),
            arrays.texts([who.modified_by for who in attributions]),
            arrays.texts([who.text for who in attributions]),
            arrays.texts([who.request_id for who in attributions]),
            arrays.texts([row.database_role for row in rows]),
            arrays.texts([row.transaction_id for row in rows]),
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
    return [row._replace(attribution=known[row.attribution]) for row in rows]


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
        return images.difference_text(row.old_values, row.new_values)
    except RecursionError:
        return json.dumps(images.NOT_COMPARED)
