"""What a tenant's schema consists of, asked by its number in the catalogue: few rows among a thousand tenants."""

from typing import Any

# The outbox is on its way to the audit database; the history is the new schema's own.
LEFT_OUT = ("audit_outbox", "django_migrations")


def columns_of(cursor: Any, schema: str) -> dict[str, tuple[str, ...]]:
    """Of every table, those that can be written again: a generated one makes itself."""
    cursor.execute(
        "SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND c.relkind = 'r' AND NOT c.relname = ANY(%s)"
        " AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"
        " GROUP BY c.relname ORDER BY c.relname",
        [schema, list(LEFT_OUT)],
    )
    return {name: tuple(columns) for name, columns in cursor.fetchall()}
