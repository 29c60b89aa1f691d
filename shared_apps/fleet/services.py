"""Bring the shared schema and tenants' schemas to the state that the code expects.

All of it runs as the migration login. One tenant at a time here; the whole fleet in `fleet/running.py`.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import connections, transaction
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.doctor import Finding
from shared_apps.fleet import replay, roles, sealing, selectors, templates, wall
from shared_apps.fleet.catalogue import script
from shared_apps.fleet.compiling import Plan, compile_plan
from shared_apps.fleet.errors import DatabaseAheadError
from shared_apps.fleet.history import History, name_of

MIGRATION_ALIAS = sealing.MIGRATION_ALIAS
_SHARED_LOCK = "freehold.migrations"
_SCHEMA_LOCK = "freehold.schema"


def migrate_shared(*, verbosity: int = 1) -> None:
    """Migrate the shared schema. Two at once: the second waits and then has nothing to do."""
    with context.operator(), _locked(_SHARED_LOCK, ""):
        # Django's own command, for its content types and permissions; `migrate` itself is ours.
        call_command(
            "django_migrate", database=MIGRATION_ALIAS, interactive=False, verbosity=verbosity
        )
        sealing.seal_shared()


def create_schema(identity: TenantIdentity) -> None:
    """Make a tenant's schema and role ready for use: everything in one transaction, or nothing.

    From the template of this code's version; one that is there already, in whatever state, is migrated and
    given its rights instead. Safe to call again, and at the same time.
    """
    template = templates.ensure_template()
    with context.operator(), _locked(_SCHEMA_LOCK, identity.schema):
        if not template.script or _has_history(identity):
            _ensure_role_and_schema(identity)
            migrate_tenant(identity)
            return
        with transaction.atomic(using=MIGRATION_ALIAS):
            _ensure_role_and_schema(identity)
            filled = script.fill(template.script, schema=identity.schema, role=identity.role)
            entry = replay.ledger_entry(identity.schema, template.fingerprint).as_string(None)
            with connections[MIGRATION_ALIAS].cursor() as cursor:
                path = sql.SQL("SET LOCAL search_path = {}, public").format(
                    sql.Identifier(identity.schema)
                )
                # In the operator's context, so that nothing but this message has the tenant's path.
                cursor.execute(
                    f"{path.as_string(None)};\n{filled};\n{entry};\nSET LOCAL search_path = public"
                )


def migrate_tenant(identity: TenantIdentity) -> list[str]:
    """Migrate one tenant's schema and make its triggers and rights as they should be, whatever was changed.

    Returns the names of the migrations that were applied.

    Raises:
        DatabaseAheadError: newer code has migrated it.
    """
    target = selectors.get_target()
    with context.operator(), _locked(_SCHEMA_LOCK, identity.schema):
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            applied = replay.applied_in(cursor, identity.schema)
            if not applied:
                replay.make_history_table(identity)
        history = History(applied)
        require_known(history)
        plan = Plan.empty() if not history.missing else compile_plan(history, base=None)
        replay.bring(identity, plan, to="")
        with transaction.atomic(using=MIGRATION_ALIAS):
            with connections[MIGRATION_ALIAS].cursor() as cursor:
                sealing.seal_tenant(cursor, schema=identity.schema, role=identity.role)
                cursor.execute(replay.ledger_entry(identity.schema, target.fingerprint))
    return plan.names


def require_known(history: History) -> None:
    """Raises DatabaseAheadError: a schema has migrations that this code does not know."""
    if history.unknown:
        names = ", ".join(map(name_of, history.unknown))
        raise DatabaseAheadError(f"newer code has applied {names}; deploy that code")


def find_breaches() -> list[Finding]:
    """Where the wall between tenants is not as it was built; asked with the application's login."""
    with context.operator(), connections["default"].cursor() as cursor:
        return wall.examine(cursor)


def _has_history(identity: TenantIdentity) -> bool:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        return bool(replay.applied_in(cursor, identity.schema))


def _ensure_role_and_schema(identity: TenantIdentity) -> None:
    with (
        transaction.atomic(using=MIGRATION_ALIAS),
        connections[MIGRATION_ALIAS].cursor() as cursor,
    ):
        roles.ensure(cursor, identity.role)
        roles.may_become(cursor, roles.application_login(), identity.role)
        roles.inherits(cursor, identity.role, roles.tenants_group())
        cursor.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(identity.schema))
        )


@contextmanager
def _locked(what: str, name: str) -> Iterator[None]:
    """One at a time in the whole installation; whoever comes second waits. May be nested."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s), hashtext(%s))", [what, name])
    try:
        yield
    finally:
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", [what, name])
