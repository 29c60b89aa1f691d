"""Entries as they are stored, with what proves each: the exact texts, and the hash of the entry before."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from shared_apps.audit.chain import links
from shared_apps.audit.selectors import Entry, EntryFilter

_PAGE = 1000  # entries
_PAGE_BYTES = (
    4 * 1024 * 1024
)  # of their values as they are stored, so that a page of large ones is short
_TEXTS = ("old_values", "new_values", "diff", "attribution")

Reading = Callable[[UUID], AbstractContextManager[psycopg.Connection[Any]]]
"""Gives a connection that may read this tenant's entries, for one page."""


@dataclass(frozen=True, slots=True)
class StoredEntry(Entry):
    """Everything that the hash covers. The values are the texts that were hashed, not what they mean."""

    previous_hash: bytes | None = None
    """Of the entry before in the chain; None: that is no longer stored."""


@dataclass(frozen=True, slots=True)
class ChainRead:
    """What of a tenant's chain is wanted: entries after one number, up to another, that fit a filter."""

    tenant_id: UUID
    where: EntryFilter
    after: int
    last: int


_COLUMNS = sql.SQL(", ").join(
    sql.SQL("{0}::text AS {0}").format(sql.Identifier(field.name))
    if field.name in _TEXTS
    else sql.Identifier(field.name)
    for field in fields(StoredEntry)
    if field.name != "previous_hash"
)
# What is not asked for is NULL, a constant by the time that the plan is made.
_READ = sql.SQL("""
SELECT {columns} FROM (
    SELECT found.*, sum(coalesce(pg_column_size(old_values), 0) + coalesce(pg_column_size(new_values), 0)
        + pg_column_size(diff)) OVER (ORDER BY sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        AS bytes_before
    FROM (SELECT * FROM audit.entry
        WHERE tenant_id = %(tenant_id)s AND sequence > %(after)s AND sequence <= %(last)s
          AND (%(entity_type)s::text IS NULL OR entity_type = %(entity_type)s)
          AND (%(record_id)s::text IS NULL OR record_id = %(record_id)s)
          AND (%(operation)s::text IS NULL OR operation = %(operation)s)
          AND (%(modified_by)s::text IS NULL OR modified_by = %(modified_by)s)
          AND (%(request_id)s::text IS NULL OR request_id = %(request_id)s)
          AND (%(since)s::timestamptz IS NULL OR created_at >= %(since)s)
          AND (%(until)s::timestamptz IS NULL OR created_at < %(until)s)
        ORDER BY sequence LIMIT %(limit)s) found) weighed
WHERE coalesce(bytes_before, 0) < %(bytes)s
ORDER BY sequence
""").format(columns=_COLUMNS)


def pages(reading: Reading, wanted: ChainRead, *, size: int = _PAGE) -> Iterator[list[StoredEntry]]:
    """The entries in their order, some at a time; nothing is held between two pages.

    A page asks for what comes after the last one's number. That misses nothing: numbers of a chain are
    given without gaps under a lock that is held until the commit, so one that can be seen follows only
    ones that can be seen. (Of an outbox the same is not true.)

    Raises:
        psycopg.Error: the audit database does not answer.
    """
    after, before = wanted.after, {0: links.root(wanted.tenant_id)}
    while after < wanted.last:
        with reading(wanted.tenant_id) as connection:
            page = _read(connection, replace(wanted, after=after), size)
            before |= _hashes(connection, wanted.tenant_id, _unknown(page, before))
        if not page:
            return
        before |= {entry.sequence: entry.hash for entry in page}
        yield [replace(entry, previous_hash=before.get(entry.sequence - 1)) for entry in page]
        after = page[-1].sequence
        before = {after: page[-1].hash}


def last_number(connection: psycopg.Connection[Any], tenant_id: UUID) -> int:
    """Of the newest entry; 0: the chain is empty."""
    row = connection.execute(
        "SELECT sequence FROM audit.entry WHERE tenant_id = %s ORDER BY sequence DESC LIMIT 1",
        [tenant_id],
    ).fetchone()
    return int(row[0]) if row else 0


def _read(
    connection: psycopg.Connection[Any], wanted: ChainRead, size: int
) -> Sequence[StoredEntry]:
    asked = asdict(wanted.where) | {
        "tenant_id": wanted.tenant_id,
        "after": wanted.after,
        "last": wanted.last,
        "limit": size,
        "bytes": _PAGE_BYTES,
    }
    with connection.cursor(row_factory=class_row(StoredEntry), binary=True) as cursor:
        return cursor.execute(_READ, asked).fetchall()


def _unknown(page: Sequence[StoredEntry], known: dict[int, bytes]) -> list[int]:
    """Numbers of entries that come before one of the page and are not there themselves."""
    there = known.keys() | {entry.sequence for entry in page}
    return [entry.sequence - 1 for entry in page if entry.sequence - 1 not in there]


def _hashes(
    connection: psycopg.Connection[Any], tenant_id: UUID, numbers: list[int]
) -> dict[int, bytes]:
    if not numbers:
        return {}
    return dict(
        connection.execute(
            "SELECT sequence, hash FROM audit.entry WHERE tenant_id = %s AND sequence = ANY(%s)",
            [tenant_id, numbers],
        ).fetchall()
    )
