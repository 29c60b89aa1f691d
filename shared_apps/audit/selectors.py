"""Reads of the audit database, of named tenants only, as the login that row-level security binds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from shared_apps.audit.errors import EntryNotFoundError, RecordNotFoundError
from shared_apps.audit.reader import reading
from shared_apps.audit.sealing import opening
from shared_apps.audit.transfer import readable_values, stored_id


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one record; `old_values`, `new_values`, `diff`, `attribution` are JSON texts."""

    tenant_id: UUID
    sequence: int
    uid: UUID
    created_at: datetime
    completed_at: datetime
    entity_type: str
    operation: str
    record_id: str | None
    old_values: str | None
    new_values: str | None
    diff: str
    modified_by: str | None
    attribution: str
    request_id: str | None
    database_role: str
    transaction_id: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class LastImage:
    """What the trail says last of a record; None: it was deleted."""

    record_id: str
    new_values: str | None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """What to look for; None does not limit. `since` and `as_of` are inclusive, `until` is not."""

    entity_type: str | None = None
    record_id: str | None = None
    operation: str | None = None
    modified_by: str | None = None
    request_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None

    @property
    def names_a_record(self) -> bool:
        return self.entity_type is not None and self.record_id is not None


@dataclass(frozen=True, slots=True)
class Position:
    """Of an entry among those of several tenants: by time, then tenant, then number."""

    created_at: datetime
    tenant_id: UUID
    sequence: int


_COLUMNS = sql.SQL(", ").join(
    sql.SQL("{0}::text AS {0}").format(sql.Identifier(f.name))
    if f.name in ("old_values", "new_values", "diff", "attribution")
    else sql.Identifier(f.name)
    for f in fields(Entry)
)
_PAGE = 1000
_EQUALS = ("entity_type", "record_id", "operation", "modified_by", "request_id")


def list_entries(
    *,
    tenant_id: UUID,
    where: EntryFilter,
    before: int | None = None,
    after: int | None = None,
    limit: int,
    opened: bool = True,
) -> list[Entry]:
    """Entries newest first, `limit` of them beyond a sequence number (keyset, so no page is slow).

    `before` pages towards the past, `after` towards the present. Not `opened`, personal values are sealed
    as they are stored, and as they were hashed.

    Raises:
        AuditUnavailableError: the audit database does not answer.
        SealingKeyError: personal values cannot be opened.
    """
    conditions, values = _conditions(where)
    if before is not None:
        conditions.append(sql.SQL("sequence < %(before)s"))
    if after is not None:
        conditions.append(sql.SQL("sequence > %(after)s"))
    query = sql.SQL(
        "SELECT {columns} FROM audit.entry WHERE tenant_id = %(tenant_id)s{where}"
        " ORDER BY sequence {direction} LIMIT %(limit)s"
    ).format(
        columns=_COLUMNS,
        where=sql.SQL("").join(sql.SQL(" AND ") + condition for condition in conditions),
        direction=sql.SQL("ASC" if after is not None else "DESC"),
    )
    values |= {"tenant_id": tenant_id, "before": before, "after": after, "limit": limit}
    entries = _fetch([tenant_id], query, values, opened=opened)
    return entries[::-1] if after is not None else entries


def iterate_entries(*, tenant_id: UUID, after: int = 0, opened: bool = True) -> Iterator[Entry]:
    """All entries after a number, oldest first, read in pages.

    Raises:
        AuditUnavailableError: the audit database does not answer.
    """
    while True:
        page = list_entries(
            tenant_id=tenant_id, where=EntryFilter(), after=after, limit=_PAGE, opened=opened
        )
        yield from reversed(page)
        if len(page) < _PAGE:
            return
        after = page[0].sequence


_LAST_IMAGES = sql.SQL("""
SELECT DISTINCT ON (record_id COLLATE "C") {columns}
FROM audit.entry
WHERE tenant_id = %(tenant_id)s AND entity_type = %(entity_type)s AND record_id IS NOT NULL
  AND (sequence <= %(up_to)s
       OR pg_visible_in_snapshot(transaction_id::xid8, %(snapshot)s::pg_snapshot))
ORDER BY record_id COLLATE "C", sequence DESC
""").format(columns=_COLUMNS)


def iterate_last_images(
    *, tenant_id: UUID, entity_type: str, up_to: int, snapshot: str
) -> Iterator[LastImage]:
    """Of each record of an entity, in the order of the record ids' bytes.

    Of the entries up to a number, and of later ones that were made before a moment of the
    tenant's database, which is named by its `pg_snapshot`.

    Raises:
        AuditUnavailableError: the audit database does not answer.
    """
    values = {
        "tenant_id": tenant_id,
        "entity_type": entity_type,
        "up_to": up_to,
        "snapshot": snapshot,
    }
    with (
        reading([tenant_id]) as connection,
        connection.cursor("last_images", row_factory=class_row(Entry)) as cursor,
    ):
        cursor.execute(_LAST_IMAGES, values)
        while page := cursor.fetchmany(_PAGE):
            for entry in opening.opened(page):
                yield LastImage(entry.record_id or "", entry.new_values)


def last_sequence(*, tenant_id: UUID) -> int:
    """The number of a tenant's newest entry; 0: it has none."""
    newest = list_entries(tenant_id=tenant_id, where=EntryFilter(), limit=1, opened=False)
    return newest[0].sequence if newest else 0


def list_entries_of(
    *,
    tenants: Sequence[UUID],
    where: EntryFilter,
    before: Position | None = None,
    after: Position | None = None,
    limit: int,
) -> list[Entry]:
    """Entries of these tenants, newest first, `limit` of them on one side of a position.

    Of each tenant at most `limit` entries are read, from the end of an index. One record's are in the order
    of their numbers, which is that of its changes whatever the clock did; others in that of their times.

    Raises:
        AuditUnavailableError: the audit database does not answer.
    """
    if not tenants:
        return []
    query, values = page_query(
        tenants=tenants, where=where, before=before, after=after, limit=limit
    )
    found = _fetch(tenants, query, values)
    return found if after is None else found[::-1]


def page_query(
    *,
    tenants: Sequence[UUID],
    where: EntryFilter,
    before: Position | None,
    after: Position | None,
    limit: int,
) -> tuple[sql.Composed, dict[str, Any]]:
    """What `list_entries_of` asks, from the position on."""
    by_number = len(tenants) == 1 and where.names_a_record
    conditions, values = _conditions(where)
    if (position := before or after) is not None:
        conditions += _beyond(is_newer=before is None, by_number=by_number)
        values |= {
            "p_at": position.created_at,
            "p_tenant": position.tenant_id,
            "p_sequence": position.sequence,
        }
    keys = ("sequence",) if by_number else ("created_at", "tenant_id", "sequence")
    direction = sql.SQL("DESC" if after is None else "ASC")
    order = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(key), direction) for key in keys
    )
    query = sql.SQL(
        "SELECT {columns} FROM unnest(%(tenants)s::uuid[]) AS asked (id) CROSS JOIN LATERAL ("
        "SELECT * FROM audit.entry WHERE tenant_id = asked.id{where}"
        " ORDER BY {order} LIMIT %(limit)s) found ORDER BY {order} LIMIT %(limit)s"
    ).format(
        columns=_COLUMNS,
        where=sql.SQL("").join(sql.SQL(" AND ") + condition for condition in conditions),
        order=order,
    )
    return query, values | {"tenants": list(tenants), "limit": limit}


def count_entries(*, tenants: Sequence[UUID], where: EntryFilter) -> dict[UUID, int]:
    """How many entries each of these tenants has, of those that have any.

    Raises:
        AuditUnavailableError: the audit database does not answer.
    """
    conditions, values = _conditions(where)
    query = sql.SQL(
        "SELECT tenant_id, count(*) FROM audit.entry WHERE tenant_id = ANY(%(tenants)s){where}"
        " GROUP BY tenant_id"
    ).format(where=sql.SQL("").join(sql.SQL(" AND ") + condition for condition in conditions))
    with reading(tenants) as connection:
        return dict(connection.execute(query, values | {"tenants": list(tenants)}).fetchall())


def get_entry(*, tenants: Sequence[UUID], uid: UUID) -> Entry:
    """Raises EntryNotFoundError: none of these tenants' trails has it. AuditUnavailableError."""
    query = sql.SQL(
        "SELECT {columns} FROM audit.entry WHERE uid = %(uid)s AND tenant_id = ANY(%(tenants)s)"
    ).format(columns=_COLUMNS)
    entries = _fetch(tenants, query, {"tenants": list(tenants), "uid": uid})
    if not entries:
        raise EntryNotFoundError
    return entries[0]


def get_state(
    *, tenant_id: UUID, entity_type: str, record_id: str, at: datetime | None
) -> dict[str, Any] | None:
    """A record's values as they were at a moment, with what was changed in it; None: it did not exist then.

    Without a moment: as its last change left it, whatever the clocks say.

    Raises:
        RecordNotFoundError: no entry of this record at all.
    """
    where = EntryFilter(entity_type=entity_type, record_id=record_id)
    entries = list_entries(tenant_id=tenant_id, where=where, limit=1)
    if not entries:
        raise RecordNotFoundError
    if at is not None:
        where = EntryFilter(entity_type=entity_type, record_id=record_id, as_of=at)
        entries = list_entries(tenant_id=tenant_id, where=where, limit=1)
    return readable_values(entries[0].new_values) if entries else None


def _beyond(*, is_newer: bool, by_number: bool) -> list[sql.Composable]:
    sign = sql.SQL(">" if is_newer else "<")
    if by_number:
        return [sql.SQL("sequence {} %(p_sequence)s").format(sign)]
    # The first is for the index; the second says which of the same moment.
    return [
        sql.SQL("created_at {}= %(p_at)s").format(sign),
        sql.SQL(
            "(created_at, tenant_id, sequence) {} (%(p_at)s, %(p_tenant)s, %(p_sequence)s)"
        ).format(sign),
    ]


def _conditions(where: EntryFilter) -> tuple[list[sql.Composable], dict[str, Any]]:
    conditions: list[sql.Composable] = []
    values: dict[str, Any] = {}
    for name in _EQUALS:
        if (value := getattr(where, name)) is not None:
            conditions.append(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Placeholder(name))
            )
            values[name] = stored_id(value) if name == "record_id" else value
    if where.since is not None:
        conditions.append(sql.SQL("created_at >= %(since)s"))
        values["since"] = where.since
    if where.until is not None:
        conditions.append(sql.SQL("created_at < %(until)s"))
        values["until"] = where.until
    if where.as_of is not None:
        conditions.append(sql.SQL("created_at <= %(as_of)s"))
        values["as_of"] = where.as_of
    return conditions, values


def _fetch(
    tenants: Sequence[UUID], query: sql.Composed, values: dict[str, Any], *, opened: bool = True
) -> list[Entry]:
    with (
        reading(tenants) as connection,
        connection.cursor(row_factory=class_row(Entry)) as cursor,
    ):
        entries = cursor.execute(query, values).fetchall()
    return opening.opened(entries) if opened else entries
