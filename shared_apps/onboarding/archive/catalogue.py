"""What a tenant's schema consists of, asked by name: few rows among a thousand tenants."""

from typing import Any

from shared_apps.fleet import selectors as fleet

# The outbox is on its way to the audit database; the history is the new schema's own.
LEFT_OUT = ("audit_outbox", "django_migrations")


def columns_of(cursor: Any, schema: str) -> dict[str, tuple[str, ...]]:
    """Of every table, those that can be written again: a generated one makes itself."""
    tables = fleet.relations_of(cursor, schema=schema).tables
    cursor.execute(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND c.relkind = 'r' AND c.relname = ANY(%s)"
        " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
        " GROUP BY c.relname ORDER BY c.relname",
        [schema, [name for name in tables if name not in LEFT_OUT]],
    )
    return {name: tuple(columns) for name, columns in cursor.fetchall()}
