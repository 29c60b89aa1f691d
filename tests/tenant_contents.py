"""All that a tenant's schema holds, to compare two of them."""

from psycopg import sql

from tests.installation import Installation


def rows(system: Installation, schema: str) -> dict[str, list[str]]:
    """Of every table that tenants have, in a fixed order; and where its sequences are."""
    found = {}
    with system.owner() as owner:
        relations = owner.execute(
            "SELECT relname, relkind FROM pg_class WHERE relnamespace = %s::regnamespace"
            " AND relkind IN ('r', 'S') AND relname !~ '^(audit_outbox|django_migrations)'",
            [schema],
        ).fetchall()
        for name, kind in relations:
            row = sql.SQL("ROW(last_value, is_called)" if kind == "S" else "t")
            query = sql.SQL("SELECT {}::text FROM {} t ORDER BY 1").format(
                row, sql.Identifier(schema, name)
            )
            found[name] = [values[0] for values in owner.execute(query).fetchall()]
    return found
