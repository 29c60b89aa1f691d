"""Schemas and roles dropped as the migration login, in portions that the lock table has room for."""

from typing import Any

from django.db import connections
from psycopg import sql

from shared_apps.fleet import roles
from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

# A table with its indexes, its TOAST table and its sequence takes about ten locks, and the lock table of
# a server with the default settings has room for 6,400 in all.
_TABLES_PER_TRANSACTION = 20


def drop_tables(schema: str) -> None:
    """Drop all tables of a schema, a few in each transaction; stopped half-way it is called again.

    In the operator's context and in no transaction: each statement is one of its own.
    """
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        tables = Relations.of(cursor, schema).droppable
        for start in range(0, len(tables), _TABLES_PER_TRANSACTION):
            names = [
                sql.Identifier(schema, table)
                for table in tables[start : start + _TABLES_PER_TRANSACTION]
            ]
            cursor.execute(
                sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.SQL(", ").join(names))
            )


def drop_schema_and_role(cursor: Any, *, schema: str, role: str) -> None:
    """What is left of a schema without tables, and its role; what is gone already is passed over."""
    cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    if cursor.fetchone() is not None:
        # Rights that somebody granted by hand would keep the role from being dropped. Only who has
        # a role's rights may drop what it has.
        roles.inherits(cursor, connections[MIGRATION_ALIAS].settings_dict["USER"], role)
        cursor.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
        cursor.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
