"""A tenant's schema and role: made together, by the migration login."""

from django.db import connections, transaction
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import roles
from shared_apps.fleet.services import MIGRATION_ALIAS


def ensure_schema(identity: TenantIdentity) -> None:
    """Make the role and the schema of a tenant unless they are there."""
    connection = connections[MIGRATION_ALIAS]
    with transaction.atomic(using=MIGRATION_ALIAS), connection.cursor() as cursor:
        roles.ensure(cursor, identity.role)
        roles.may_become(cursor, roles.application_login(), identity.role)
        cursor.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(identity.schema))
        )
