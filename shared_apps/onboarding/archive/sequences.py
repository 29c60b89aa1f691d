"""What numbers the rows of a tenant's tables, and where it stands."""

from dataclasses import dataclass
from typing import Any

from psycopg import sql

from shared_apps.fleet import selectors as fleet
from shared_apps.onboarding.archive.catalogue import LEFT_OUT
from shared_apps.onboarding.archive.manifest import Sequence


@dataclass(frozen=True, slots=True)
class Owned:
    """A sequence and the column that it fills."""

    name: str
    table: str
    column: str


def owned(cursor: Any, *, schema: str) -> list[Owned]:
    """Those of the tables that are archived."""
    cursor.execute(
        "SELECT s.relname, t.relname, a.attname FROM pg_class s"
        " JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid"
        "  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')"
        " JOIN pg_class t ON t.oid = d.refobjid"
        " JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid"
        " WHERE s.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s)"
        " AND s.relkind = 'S' AND s.relname = ANY(%s) AND NOT t.relname = ANY(%s) ORDER BY s.relname",
        [schema, list(fleet.relations_of(cursor, schema=schema).sequences), list(LEFT_OUT)],
    )
    return [Owned(*row) for row in cursor.fetchall()]


def read(cursor: Any, *, schema: str) -> tuple[Sequence, ...]:
    queries = [
        sql.SQL("SELECT {}, last_value, is_called FROM {}").format(
            sql.Literal(sequence.name), sql.Identifier(schema, sequence.name)
        )
        for sequence in owned(cursor, schema=schema)
    ]
    if not queries:
        return ()
    cursor.execute(sql.SQL(" UNION ALL ").join(queries))
    return tuple(sorted((Sequence(*row) for row in cursor.fetchall()), key=lambda each: each.name))


def put_back(cursor: Any, *, schema: str, given: tuple[Sequence, ...]) -> None:
    for sequence in given:
        cursor.execute(
            "SELECT setval(%s::regclass, %s, %s)",
            [
                sql.Identifier(schema, sequence.name).as_string(None),
                sequence.last_value,
                sequence.is_called,
            ],
        )


def raise_to_rows(cursor: Any, *, schema: str) -> None:
    """Let each go on after the highest number in its column; one that stands higher is left alone."""
    for sequence in owned(cursor, schema=schema):
        name = sql.Identifier(schema, sequence.name)
        cursor.execute(
            sql.SQL(
                "SELECT setval(%s::regclass, highest) FROM"
                " (SELECT max({column}) AS highest FROM {table}) rows, {name} now"
                " WHERE highest >= now.last_value"
            ).format(
                column=sql.Identifier(sequence.column),
                table=sql.Identifier(schema, sequence.table),
                name=name,
            ),
            [name.as_string(None)],
        )
