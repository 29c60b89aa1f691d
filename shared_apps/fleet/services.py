"""Bring the shared schema and tenants' schemas to the state that the code expects.

All of it runs as the migration login. One tenant at a time here; the whole fleet in `fleet/running.py`.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connections, transaction
from kombu.exceptions import OperationalError
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.doctor import Finding
from shared_apps.core.queue import enqueue
from shared_apps.fleet import (
    compatibility,
    locks,
    migration_login,
    replay,
    roles,
    running,
    sealing,
    selectors,
    statements,
    templates,
    wall,
)
from shared_apps.fleet.catalogue import script
from shared_apps.fleet.compiling import Plan, compile_plan
from shared_apps.fleet.errors import SpareError
from shared_apps.fleet.history import History, all_labels, shared_labels
from shared_apps.fleet.plans import require_known
from shared_apps.fleet.spares import claiming, filling, pool
from shared_apps.fleet.spares.filling import Progress
from shared_apps.fleet.spares.pool import Pool
from shared_apps.fleet.tenant_run import Result

logger = logging.getLogger(__name__)

MIGRATION_ALIAS = migration_login.MIGRATION_ALIAS
FILL_TASK = "fleet.fill_spares"


def migrate_shared(*, verbosity: int = 1, allow_breaking: bool = False) -> None:
    """Migrate the shared schema. Two at once: the second waits and then has nothing to do.

    Raises:
        BreakingMigrationError: a migration would break the version that is running; nothing was changed.
    """
    with context.operator(), locks.shared():
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            applied = replay.applied_in(cursor, sealing.SHARED_SCHEMA)
        history = History(applied, labels=shared_labels())
        require_known(history)
        if not allow_breaking:
            compatibility.require_compatible(history)
        # Also where only rows for tenants' apps are missing: Django records those here too.
        if History(applied, labels=all_labels()).missing:
            # Django's own command, for its content types and permissions; `migrate` itself is ours.
            call_command(
                "django_migrate", database=MIGRATION_ALIAS, interactive=False, verbosity=verbosity
            )
        sealing.seal_shared()


def migrate_fleet(
    options: running.Options,
    *,
    allow_breaking: bool = False,
    on_result: running.OnResult = lambda *_: None,
    stop: threading.Event | None = None,
) -> running.Summary:
    """Migrate every tenant that is not at the code's version (fleet/running.py).

    Raises:
        UnknownTenantError: `options.only` names none.
        BreakingMigrationError, DatabaseAheadError: nothing was changed.
    """

    def examine(history: History) -> None:
        if not allow_breaking:
            compatibility.require_compatible(history)

    summary = running.run(
        options, examine=examine, on_result=on_result, stop=stop or threading.Event()
    )
    if summary.planned:
        ask_for_spares()
    return summary


def migrate_everything(*, report: Callable[[str], None]) -> running.Summary:
    """The shared schema and then every tenant; `report` is called in the threads that migrate.

    Raises:
        BreakingMigrationError, DatabaseAheadError: a migration cannot be carried out while others serve.
    """

    def on_result(result: Result, done: int, total: int) -> None:
        report(f"[{done}/{total}] {result.slug}: {result.error or 'migrated'}")

    migrate_shared(verbosity=0)
    return migrate_fleet(running.Options(), on_result=on_result)


def create_schema(identity: TenantIdentity) -> None:
    """Make a tenant's schema and role ready for use: everything in one transaction, or nothing.

    From the pool of spares or the template of this code's version; one that is there already, in whatever
    state, is migrated and given its rights instead. Safe to call again, and at the same time.
    """
    with context.operator():
        _make_schema(identity)
        ask_for_spares()


def ask_for_spares() -> None:
    """Have the provisioner bring the pool to its target soon. Where that fails, beat does it later."""
    if not settings.SPARE_SCHEMAS:
        return
    try:
        enqueue(FILL_TASK)
    except OperationalError:
        logger.warning("The broker does not answer; the pool of spare schemas is filled later")


def fill_spares(
    *, target: int, drops_surplus: bool = False, on_step: Callable[[Progress], None]
) -> Pool:
    """Make and drop spares until there are `target` for this code; what there is then.

    Raises:
        SpareError, SharedSchemaVersionError: no further spare can be made.
    """
    if target and settings.DATABASE_SHARDING == "citus":
        raise SpareError(
            "There are no spare schemas on a Citus cluster: they would be renamed there."
        )
    progress = Progress()
    while True:
        progress = filling.step(target, drops_surplus=drops_surplus, trusting=progress.ready)
        if not progress.made and not progress.dropped:
            return pool.look()
        on_step(progress)


def _make_schema(identity: TenantIdentity) -> None:
    template = templates.ensure_template()
    with locks.schema(identity.schema):
        if template.script and claiming.claim(identity, fingerprint=template.fingerprint):
            return
        if not template.script or _has_history(identity):
            _ensure_role_and_schema(identity)
            migrate_tenant(identity)
            return
        with transaction.atomic(using=MIGRATION_ALIAS):
            _ensure_role_and_schema(identity)
            filled = script.fill(template.script, schema=identity.schema, role=identity.role)
            entry = replay.ledger_entry(identity.schema, template.fingerprint).as_string(None)
            with connections[MIGRATION_ALIAS].cursor() as cursor:
                if settings.DATABASE_SHARDING == "citus":
                    with context.tenant(identity):
                        statements.send(cursor, f"{filled};\n{entry}")
                    return
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
    with context.operator(), locks.schema(identity.schema):
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            applied = replay.applied_in(cursor, identity.schema)
            if not applied:
                replay.make_history_table(identity)
        history = History(applied)
        require_known(history)
        plan = (
            Plan.empty() if not history.missing else compile_plan(history, base=None, renders=False)
        )
        replay.bring(identity, replay.prepare(plan, fingerprint=""))
        with (
            transaction.atomic(using=MIGRATION_ALIAS),
            connections[MIGRATION_ALIAS].cursor() as cursor,
        ):
            sealing.seal_tenant(cursor, schema=identity.schema, role=identity.role)
            cursor.execute(replay.ledger_entry(identity.schema, target.fingerprint))
    return plan.names


def working_on(schema: str) -> AbstractContextManager[None]:
    """Wait until nobody else migrates or makes a tenant's schema. In the operator's context."""
    return locks.schema(schema)


def forget_schema(cursor: Any, *, schema: str) -> None:
    """Take a schema that is being dropped out of the ledger."""
    cursor.execute("DELETE FROM public.fleet_schemaversion WHERE schema_name = %s", [schema])


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
        roles.ensure(cursor, identity.role, may_log_in=roles.may_log_in())
        roles.may_become(cursor, roles.application_login(), identity.role)
        roles.inherits(cursor, identity.role, roles.tenants_group())
        if settings.DATABASE_SHARDING == "citus":
            # IF NOT EXISTS would make Citus believe that a schema which is there has been distributed.
            cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [identity.schema])
            if cursor.fetchone() is not None:
                return
        cursor.execute(
            sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(identity.schema))
        )
