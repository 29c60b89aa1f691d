"""A tenant's schema and role: made together, by the migration login."""

from typing import Any

from django.db import connections, transaction
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from shared_apps.fleet.grants import application_login
from shared_apps.fleet.services import MIGRATION_ALIAS

# From this version on a membership says itself whether it inherits.
_MEMBERSHIP_OPTIONS_SINCE = 160000


def ensure_schema(identity: TenantIdentity) -> None:
    """Make the role and the schema of a tenant unless they are there."""
    connection = connections[MIGRATION_ALIAS]
    with transaction.atomic(using=MIGRATION_ALIAS), connection.cursor() as cursor:
        if not _exists(cursor, "SELECT 1 FROM pg_roles WHERE rolname = %s", identity.role):
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(identity.role)))
        options = (
            "WITH INHERIT FALSE, SET TRUE"
            if connection.connection.info.server_version >= _MEMBERSHIP_OPTIONS_SINCE
            else ""
        )
        cursor.execute(
            sql.SQL("GRANT {} TO {} " + options).format(
                sql.Identifier(identity.role), sql.Identifier(application_login())
            )
        )
        cursor.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(identity.schema))
        )


def _exists(cursor: Any, query: str, name: str) -> bool:
    cursor.execute(query, [name])
    return cursor.fetchone() is not None
