"""What a database holds, in numbers that do not depend on how it was dumped: rows and a checksum of each table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

# Texts of values depend on these.
_FORMS = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}

_SCHEMAS = """
SELECT n.nspname, count(c.oid) FILTER (WHERE c.relkind IN ('r', 'p', 'S', 'v')),
       coalesce(sum(pg_table_size(c.oid)) FILTER (WHERE c.relkind = 'r'), 0)::bigint
FROM pg_namespace n LEFT JOIN pg_class c ON c.relnamespace = n.oid
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' GROUP BY 1 ORDER BY 1
"""
_TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = %s::regnamespace AND c.relkind = 'r' ORDER BY 1
"""
# Changes with whatever is done to a table's definition; statistics and freezing leave it alone.
_DEFINITIONS = """
SELECT n.nspname, c.relname, c.oid::text || ':' || c.xmin::text || ':' || c.relfilenode::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

Contents = Mapping[str, tuple[int, str]]
"""Table → rows and checksum."""


@dataclass(frozen=True, slots=True)
class Schema:
    name: str
    relations: int
    size: int


def list_schemas(connection: psycopg.Connection[Any]) -> list[Schema]:
    return [Schema(*row) for row in connection.execute(_SCHEMAS)]


def definitions(connection: psycopg.Connection[Any]) -> dict[tuple[str, str], str]:
    """Schema and table → a mark that another definition does not have."""
    return {(row[0], row[1]): row[2] for row in connection.execute(_DEFINITIONS)}


def set_forms(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
        [list(_FORMS), list(_FORMS.values())],
    )


def measure(connection: psycopg.Connection[Any], schema: str) -> dict[str, tuple[int, str]]:
    """Rows and checksum of each table of a schema, whatever the rows' order.

    The sum of 60 bits of each row's MD5: for what was lost or damaged, not against somebody who forges.
    """
    quoted = sql.Identifier(schema).as_string(connection)
    tables = [row[0] for row in connection.execute(_TABLES, [quoted])]
    if not tables:
        return {}
    return {
        row[0]: (row[1], row[2])
        for row in connection.execute(_of_tables(schema, tables)).fetchall()
    }


def _of_tables(schema: str, tables: Sequence[str]) -> sql.Composed:
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT {name}, count(*), coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint), 0)::text"
            " FROM {table} t"
        ).format(name=sql.Literal(table), table=sql.Identifier(schema, table))
        for table in tables
    )
