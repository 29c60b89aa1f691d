"""Bring the shared schema and tenants' schemas to the state that the code expects.

All of it runs as the migration login. After each schema's migrations its triggers and grants are made
to match (`_seal`), so that a table without either never outlives the run that made it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connections, transaction
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from shared_apps.audit import triggers
from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.fleet import functions, grants, roles, row_security, wall

MIGRATION_ALIAS = "migration"
SHARED_SCHEMA = "public"
_LOCK = "freehold.migrations"


def migrate_shared(*, verbosity: int = 1) -> None:
    """Migrate the shared schema. Two at once: the second waits and then has nothing to do."""
    with context.operator(), _one_at_a_time():
        # Django's own command, for its content types and permissions; `migrate` itself is ours.
        call_command(
            "django_migrate", database=MIGRATION_ALIAS, interactive=False, verbosity=verbosity
        )
        _seal(schema=SHARED_SCHEMA, role=None)


def migrate_tenant(identity: context.TenantIdentity) -> list[str]:
    """Migrate one tenant's schema; returns the names of the migrations that were applied."""
    with context.tenant(identity):
        executor = MigrationExecutor(connections[MIGRATION_ALIAS])
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        executor.migrate(executor.loader.graph.leaf_nodes(), plan)
        _seal(schema=identity.schema, role=identity.role)
    return [str(migration) for migration, _ in plan]


def find_breaches() -> list[Finding]:
    """Where the wall between tenants is not as it was built; asked with the application's login."""
    with context.operator(), connections["default"].cursor() as cursor:
        return wall.examine(cursor)


def _seal(*, schema: str, role: str | None) -> None:
    """Triggers, rights and row-level security as they should be: in one transaction, idempotent."""
    connection = connections[MIGRATION_ALIAS]
    with transaction.atomic(using=MIGRATION_ALIAS), connection.cursor() as cursor:
        triggers.install(cursor, schema=schema, shared=role is None)
        if role is None:
            _seal_shared(cursor)
        else:
            roles.inherits(cursor, role, roles.tenants_group())
            _execute(cursor, grants.tenant_schema(schema, role))


def _seal_shared(cursor: Any) -> None:
    for group in (roles.tenants_group(), roles.readers_group()):
        roles.ensure(cursor, group)
    _execute(cursor, grants.shared_schema())
    _execute(cursor, functions.statements(server_version=cursor.connection.info.server_version))
    row_security.seal(cursor, row_security.declared())
    # People whose grants are older than their roles, or whose role was dropped by hand.
    cursor.execute(
        "SELECT public.ensure_person_role(user_id) FROM accounts_crosstenantgrant GROUP BY user_id"
    )


def _execute(cursor: Any, statements: list[sql.Composed]) -> None:
    for statement in statements:
        cursor.execute(statement)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [_LOCK])
    try:
        yield
    finally:
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [_LOCK])
