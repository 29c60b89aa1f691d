"""A compiled plan brought to one schema, on this thread's connection of the migration login.

Each migration is one transaction with its row in django_migrations and the ledger's, so a process that is
killed leaves a schema before or after each. Consecutive migrations that are SQL alone share a message.
"""

from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import connections, transaction
from django.db.migrations.recorder import MigrationRecorder
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import concurrent_indexes, migration_login, statements
from shared_apps.fleet.catalogue import script
from shared_apps.fleet.compiling import Plan
from shared_apps.fleet.history import Node
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.recording import CompiledMigration, PythonCode

_BETWEEN = "\n;\n"  # a statement may end in a comment

# The limit on statements that tenant_run has set for the session; the context's own would replace it.
_LIMIT = (
    "SELECT set_config('statement_timeout',"
    " coalesce(nullif(current_setting('freehold.statement_limit', true), ''), '0'), true)"
)
_BEGIN = ("BEGIN", f"SET LOCAL search_path = {script.SCHEMA}, public", _LIMIT)

_RECORD = "INSERT INTO {history} (app, name, applied) VALUES ({app}, {name}, now())"
_AT = """
    INSERT INTO public.fleet_schemaversion (schema_name, fingerprint, is_between, changed_at, error)
    VALUES ({schema}, {fingerprint}, false, now(), '')
    ON CONFLICT (schema_name) DO UPDATE
    SET fingerprint = excluded.fingerprint, is_between = false, changed_at = now(), error = ''
"""
_BETWEEN_TWO = """
    INSERT INTO public.fleet_schemaversion (schema_name, fingerprint, is_between, changed_at, error)
    VALUES ({schema}, '', true, now(), '')
    ON CONFLICT (schema_name) DO UPDATE SET is_between = true, changed_at = now()
"""


@dataclass(frozen=True, slots=True)
class Ending:
    """What is written with the last migration: the schema is at `fingerprint` now; and for whom runs it."""

    fingerprint: str
    also: tuple[sql.Composed, ...] = ()


def applied_in(cursor: Any, schema: str) -> set[Node]:
    """What a schema's own rows say; nothing if it has none yet."""
    cursor.execute(
        "SELECT to_regclass(%s)::text",
        [sql.Identifier(schema, "django_migrations").as_string(None)],
    )
    if cursor.fetchone()[0] is None:
        return set()
    return rows_in(cursor, schema)


def rows_in(cursor: Any, schema: str) -> set[Node]:
    """The same of a schema that is known to have its table."""
    cursor.execute(
        sql.SQL("SELECT app, name FROM {}").format(sql.Identifier(schema, "django_migrations"))
    )
    return {(app, name) for app, name in cursor.fetchall()}


def make_history_table(identity: TenantIdentity) -> None:
    """For a schema that is filled by its migrations one by one."""
    with context.tenant(identity):
        MigrationRecorder(connections[MIGRATION_ALIAS]).ensure_schema()


def bring(identity: TenantIdentity, plan: Plan, *, ending: Ending) -> None:
    """Run a plan in a schema that it was compiled for."""
    with context.tenant(identity), migration_login.alone():
        last = len(plan.migrations) - 1
        numbered = list(enumerate(plan.migrations))
        for is_sql, group in groupby(numbered, key=lambda pair: pair[1].is_sql):
            if is_sql:
                texts: list[str] = []
                for number, migration in group:
                    texts += _as_transaction(
                        identity, plan, migration, ending if number == last else None
                    )
                _send(identity, texts)
                continue
            for number, migration in group:
                run = _run_in_transaction if migration.atomic else _run_outside
                run(identity, plan, migration, ending if number == last else None)
        if last < 0:
            _send(identity, [*_BEGIN, *_ending(identity, plan, None, ending), "COMMIT"])


def _as_transaction(
    identity: TenantIdentity, plan: Plan, migration: CompiledMigration, last: Ending | None
) -> list[str]:
    ending = _ending(identity, plan, migration.node, last)
    return [*_BEGIN, *migration.statements, *ending, "COMMIT"]


def _run_in_transaction(
    identity: TenantIdentity, plan: Plan, migration: CompiledMigration, last: Ending | None
) -> None:
    connection = connections[MIGRATION_ALIAS]
    with transaction.atomic(using=MIGRATION_ALIAS):
        _send(identity, [_LIMIT])
        with connection.schema_editor(atomic=False) as editor:
            for part in migration.parts:
                if isinstance(part, PythonCode):
                    part.run(editor)
                else:
                    _send(identity, list(part.texts))
        # What the editor deferred has run by now; the rest belongs to the same transaction.
        _send(identity, _ending(identity, plan, migration.node, last))


def _run_outside(
    identity: TenantIdentity, plan: Plan, migration: CompiledMigration, last: Ending | None
) -> None:
    """Statement by statement. Stopped half-way it is run again from its beginning, as Django would."""
    connection = connections[MIGRATION_ALIAS]
    with connection.schema_editor(atomic=False) as editor:
        for part in migration.parts:
            if isinstance(part, PythonCode):
                part.run(editor)
                continue
            for text in part.texts:
                if not concurrent_indexes.is_there(identity, text):
                    _send(identity, [text])
    _send(identity, [*_BEGIN, *_ending(identity, plan, migration.node, last), "COMMIT"])


def _ending(
    identity: TenantIdentity, plan: Plan, node: Node | None, last: Ending | None
) -> list[str]:
    """The rows that say what was done, and with the last migration what follows them all."""
    history = sql.Identifier(identity.schema, "django_migrations")
    nodes = [node] if node else []
    texts: list[sql.Composed | str] = []
    if last is not None:
        nodes += plan.recorded
        texts += plan.sealing
    texts += [
        sql.SQL(_RECORD).format(history=history, app=sql.Literal(app), name=sql.Literal(name))
        for app, name in nodes
    ]
    if last is None:
        texts.append(sql.SQL(_BETWEEN_TWO).format(schema=sql.Literal(identity.schema)))
    else:
        texts += [ledger_entry(identity.schema, last.fingerprint), *last.also]
    return [text if isinstance(text, str) else text.as_string(None) for text in texts]


def ledger_entry(schema: str, fingerprint: str) -> sql.Composed:
    """Says that a schema is at a fingerprint."""
    return sql.SQL(_AT).format(schema=sql.Literal(schema), fingerprint=sql.Literal(fingerprint))


def _send(identity: TenantIdentity, texts: list[str]) -> None:
    """One message, or one a statement where the schemas are on several nodes."""
    joined = _BETWEEN.join(texts)
    filled = script.fill(joined, schema=identity.schema, role=identity.role)
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        try:
            statements.send(cursor, filled)
        except BaseException:
            _leave_failed_transaction()
            raise


def _leave_failed_transaction() -> None:
    """A BEGIN of ours that failed; Django's own transactions are rolled back by Django."""
    connection = connections[MIGRATION_ALIAS]
    if connection.connection is not None and not connection.in_atomic_block:
        connection._rollback()  # type: ignore[attr-defined]  # rollback() refuses outside a transaction
