"""A tenant's tables and its outbox at one moment, as the login that owns them sees them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from psycopg import errors, sql

from shared_apps.audit import capture
from shared_apps.audit.triggers import AuditedTable
from shared_apps.core import context

MIGRATION_ALIAS = "migration"
_PAGE = 1000

# The last that the outbox says of each record goes with its row: what has yet to be moved is newer than
# anything that was moved. Bytes decide the order, as they do in the audit database.
_ROWS = """
SELECT coalesce(row.id, waiting.id), row.image, waiting.id IS NOT NULL, waiting.image
FROM (SELECT {record_id} AS id, (to_jsonb(r) - {unrecorded}::text[])::text AS image
      FROM {table} r) row
FULL JOIN (SELECT DISTINCT ON (o.record_id) o.record_id AS id, o.new_values::text AS image
           FROM {outbox} o WHERE o.table_name = {name} AND o.record_id IS NOT NULL
           ORDER BY o.record_id, o.id DESC) waiting USING (id)
ORDER BY coalesce(row.id, waiting.id) COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """`image`: its row, None when there is none. `waiting`: what the outbox says became of it last."""

    record_id: str
    image: str | None
    is_waiting: bool
    waiting: str | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment; `name` is PostgreSQL's for it: which transactions had been committed."""

    name: str
    schema: str
    _cursor: Any

    def count_waiting(self) -> int:
        """Changes that are in the outbox."""
        self._cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(self._outbox))
        return int(self._cursor.fetchone()[0])

    def records(self, table: AuditedTable) -> Iterator[LiveRecord]:
        """In the order of their keys; those that only the outbox knows too."""
        query = sql.SQL(_ROWS).format(
            record_id=capture.record_id_of("to_jsonb(r)", table.keys),
            unrecorded=sql.Literal([*table.exclude, *table.redact]),
            table=sql.Identifier(self.schema, table.name),
            outbox=self._outbox,
            name=sql.Literal(table.name),
        )
        with connections[MIGRATION_ALIAS].chunked_cursor() as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(_PAGE):
                yield from (LiveRecord(*row) for row in rows)

    def as_row(self, table: AuditedTable, image: str) -> str | None:
        """An image as a row of today's table would be: columns that changed their type; None: it is none."""
        columns = sorted(json.loads(image))
        query = sql.SQL(
            "SELECT (SELECT jsonb_object_agg(key, value) FROM jsonb_each(to_jsonb(row))"
            " WHERE key = ANY(%s))::text FROM jsonb_populate_record(NULL::{}, %s::jsonb) row"
        ).format(sql.Identifier(self.schema, table.name))
        try:
            with (
                connections[MIGRATION_ALIAS].wrap_database_errors,
                transaction.atomic(using=MIGRATION_ALIAS),
            ):
                self._cursor.execute(query, [columns, image])
                return str(self._cursor.fetchone()[0])
        except errors.DataError:
            return None

    @property
    def _outbox(self) -> sql.Identifier:
        return sql.Identifier(self.schema, "audit_outbox")


@contextmanager
def snapshot(schema: str) -> Iterator[Snapshot]:
    """Reads only. As long as the block runs, VACUUM keeps what was deleted since it began."""
    with (
        context.operator(),
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # As the trail's values were written.
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_current_snapshot()::text")
        yield Snapshot(cursor.fetchone()[0], schema, cursor)
