"""A tenant's schema and role: made together, by the migration login."""

from django.db import connections, transaction
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import dropping
from shared_apps.fleet import services as fleet
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.errors import ProvisioningError


def make_ready(identity: TenantIdentity) -> None:
    """Make a tenant's schema and role, whatever there is of them, as the code expects them.

    Raises:
        ProvisioningError: there is a schema of this name, and it is not ours.
    """
    refuse_foreign(identity.schema)
    fleet.create_schema(identity)


def refuse_foreign(schema: str) -> None:
    """PostgreSQL passes over a schema in the path that one may not use, so tables that are meant for
    somebody else's schema would be made in the shared one.

    Raises:
        ProvisioningError: there is a schema of this name, and it is not ours.
    """
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = %s",
            [schema],
        )
        found = cursor.fetchone()
    if found is not None and not found[0]:
        raise ProvisioningError(f"The schema {schema} belongs to somebody else.")


def drop_schema(identity: TenantIdentity) -> None:
    """Drop the tables, the schema and the role of a tenant; what is gone already is passed over.

    Runs in the operator's context and in no transaction: in small ones of its own, so that a large
    schema does not fill the lock table of the server. Whoever calls it has made sure that the tenant is
    not served and that its data are kept elsewhere; stopped half-way it is called again.
    """
    dropping.drop_tables(identity.schema)
    with (
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        dropping.drop_schema_and_role(cursor, schema=identity.schema, role=identity.role)
        fleet.forget_schema(cursor, schema=identity.schema)


def close_for_good(identity: TenantIdentity) -> bool:
    """Take the schema from the tenant's role, once its last change is in the audit database.

    Waits for transactions that are under way. Returns whether it was done; a schema that is gone already
    counts.
    """
    with (
        context.operator(),
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        cursor.execute(
            "SELECT to_regclass(format('%%I.audit_outbox', %s::text))", [identity.schema]
        )
        if cursor.fetchone()[0] is None:
            return True
        outbox = sql.Identifier(identity.schema, "audit_outbox")
        cursor.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(outbox))
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(outbox))
        if cursor.fetchone()[0]:
            return False
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [identity.role])
        if cursor.fetchone() is not None:
            cursor.execute(
                sql.SQL("REVOKE ALL ON SCHEMA {} FROM {}").format(
                    sql.Identifier(identity.schema), sql.Identifier(identity.role)
                )
            )
    return True
