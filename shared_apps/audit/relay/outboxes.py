"""Which outboxes there are, and which hold anything."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg import sql

SHARED_SCHEMA = "public"
_SCHEMAS_PER_QUERY = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a look into outboxes showed."""

    oldest: dict[str, datetime] = field(default_factory=dict)
    """Those that are not empty → when the first change that waits was made."""
    refused: dict[str, psycopg.Error] = field(default_factory=dict)
    """Those that could not be looked into."""


def list_outboxes(source: psycopg.Connection[Any]) -> dict[str, UUID | None]:
    """Every schema that has an outbox this login may empty → its tenant; the shared one has none."""
    rows = source.execute(
        "SELECT t.schema_name, t.id FROM tenants_tenant t"
        " JOIN pg_namespace n ON n.nspname = t.schema_name"
        " JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'audit_outbox'"
        " WHERE has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'DELETE')"
    ).fetchall()
    return {SHARED_SCHEMA: None, **dict(rows)}


def list_closed_outboxes(source: psycopg.Connection[Any]) -> list[str]:
    """Schemas with an outbox that this login may not empty, or with none at all."""
    return [
        row[0]
        for row in source.execute(
            "SELECT t.schema_name FROM tenants_tenant t"
            " JOIN pg_namespace n ON n.nspname = t.schema_name"
            " LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'audit_outbox'"
            " WHERE c.oid IS NULL OR NOT has_schema_privilege(n.oid, 'USAGE')"
            " OR NOT has_table_privilege(c.oid, 'DELETE') ORDER BY 1"
        )
    ]


def look(source: psycopg.Connection[Any], schemas: Collection[str]) -> Found:
    """Which of them hold anything: one query for a hundred of them.

    On Citus one for each, because a query of several nodes' schemas brings their rows together first.

    Raises:
        psycopg.Error: the session is lost.
    """
    portion = 1 if settings.DATABASE_SHARDING == "citus" else _SCHEMAS_PER_QUERY
    # Always in the same order, so that the queries are the same and stay prepared.
    ordered = sorted(schemas)
    found = Found()
    for start in range(0, len(ordered), portion):
        _look_into(source, ordered[start : start + portion], found)
    return found


def _look_into(source: psycopg.Connection[Any], schemas: list[str], found: Found) -> None:
    parts = [
        sql.SQL("(SELECT {name}, created_at FROM {outbox} ORDER BY id LIMIT 1)").format(
            name=sql.Literal(schema), outbox=_table(schema)
        )
        for schema in schemas
    ]
    try:
        rows = source.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
    except psycopg.Error as error:
        if source.closed:
            raise
        # One that is locked or broken must not hide the others.
        if len(schemas) > 1:
            for schema in schemas:
                _look_into(source, [schema], found)
        else:
            found.refused[schemas[0]] = error
    else:
        found.oldest.update(rows)


def newest(source: psycopg.Connection[Any], schema: str) -> int:
    """The number of the last row; 0 in an empty outbox."""
    row = source.execute(
        sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(_table(schema))
    ).fetchone()
    return int(row[0]) if row else 0


def has_until(source: psycopg.Connection[Any], schema: str, number: int) -> bool:
    """Whether a row with this number or a lower one waits."""
    query = sql.SQL("SELECT FROM {} WHERE id <= %s LIMIT 1").format(_table(schema))
    return source.execute(query, [number]).fetchone() is not None


def _table(schema: str) -> sql.Identifier:
    return sql.Identifier(schema, "audit_outbox")
