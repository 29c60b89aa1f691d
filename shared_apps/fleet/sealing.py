"""What follows a schema's migrations: triggers, rights and row-level security as the code wants them."""

from typing import Any

from django.conf import settings
from django.db import connections, transaction
from psycopg import sql

from shared_apps.audit import capture, triggers
from shared_apps.core import context
from shared_apps.fleet import functions, grants, roles, row_security
from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

SHARED_SCHEMA = "public"
# Written by the migration login alone. Scripts of templates run with its rights, so whoever could change
# them could do whatever it may.
_LEDGER = (
    "fleet_schematemplate",
    "fleet_schemaversion",
    "fleet_spareschema",
    "fleet_run",
    "fleet_outcome",
)


def describe() -> str:
    """Everything that sealing does to a tenant's schema, for the fingerprint.

    Without the logins' names: web and workers compute it too, and are not told the relay's.
    """
    tables = sorted(triggers.tables(shared=False), key=lambda table: table.name)
    # Scripts for Citus are written another way.
    sharded = ["citus"] if settings.DATABASE_SHARDING == "citus" else []
    function = capture.body(is_on_node=triggers.is_on_node(shared=False))
    settings_of_function = repr(capture.SETTINGS)
    return "\n".join(
        [*grants.TENANT_SCHEMA, *map(repr, tables), *sharded, function, settings_of_function]
    )


def seal_shared() -> None:
    """The shared schema: in one transaction, idempotent."""
    with (
        context.operator(),
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        triggers.install(cursor, schema=SHARED_SCHEMA, shared=True)
        for group in (roles.tenants_group(), roles.readers_group()):
            roles.ensure(cursor, group)
        execute(cursor, grants.shared_schema(Relations.of(cursor, SHARED_SCHEMA)))
        login = sql.Identifier(roles.application_login())
        for table in _LEDGER:
            name = sql.Identifier(SHARED_SCHEMA, table)
            cursor.execute(
                sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {} FROM {}").format(name, login)
            )
        version = cursor.connection.info.server_version
        execute(cursor, functions.statements(server_version=version))
        row_security.seal(cursor, row_security.declared())
        # People whose grants are older than their roles, or whose role was dropped by hand.
        cursor.execute(
            "SELECT public.ensure_person_role(user_id)"
            " FROM accounts_crosstenantgrant GROUP BY user_id"
        )


def seal_tenant(cursor: Any, *, schema: str, role: str) -> None:
    """A tenant's schema and role, whatever state they are in: idempotent."""
    triggers.install(cursor, schema=schema, shared=False)
    roles.inherits(cursor, role, roles.tenants_group())
    execute(cursor, grants.tenant_schema(Relations.of(cursor, schema), role))


def execute(cursor: Any, statements: list[sql.Composed]) -> None:
    for statement in statements:
        cursor.execute(statement)
