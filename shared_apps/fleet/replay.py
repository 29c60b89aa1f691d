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
_BEGIN = ("BEGIN", f"SET LOCAL search_path = {script.SCHEMA}, public")

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


# As one value, because every schema of a fleet has the same ones.
_APPLIED = "SELECT coalesce(string_agg(app || '.' || name, E'\\n'), '') FROM \"{schema}\".django_migrations"


@dataclass(frozen=True, slots=True)
class Step:
    """What is done at a time. All but the COMMIT, which follows what is known of each run only."""

    migration: CompiledMigration | None
    """None: SQL alone, of one or several migrations."""
    text: str
    """SQL with the placeholders of scripts; of a migration that is not SQL alone, what follows it."""


@dataclass(frozen=True, slots=True)
class Replay:
    """A plan as it is sent, made once for all schemas that it is for."""

    names: tuple[str, ...]
    """The migrations that it applies."""
    steps: tuple[Step, ...]


def applied_query(schema: str) -> str:
    """For what `nodes_of` reads; fails where the schema has no history."""
    return _APPLIED.format(schema=schema.replace('"', '""'))


def nodes_of(applied: str) -> set[Node]:
    pairs = (line.split(".", 1) for line in applied.splitlines())
    return {(app, name) for app, name in pairs}


def applied_in(cursor: Any, schema: str) -> set[Node]:
    """What a schema's own rows say; nothing if it has none yet."""
    return nodes_of(read_applied(cursor, schema))


def read_applied(cursor: Any, schema: str) -> str:
    """For `nodes_of`."""
    cursor.execute(
        "SELECT to_regclass(%s)::text",
        [sql.Identifier(schema, "django_migrations").as_string(None)],
    )
    return "" if cursor.fetchone()[0] is None else read_rows(cursor, schema)


def read_rows(cursor: Any, schema: str) -> str:
    """The same of a schema that is known to have its table."""
    cursor.execute(applied_query(schema))
    return str(cursor.fetchone()[0])


def make_history_table(identity: TenantIdentity) -> None:
    """For a schema that is filled by its migrations one by one."""
    with context.tenant(identity):
        MigrationRecorder(connections[MIGRATION_ALIAS]).ensure_schema()


def prepare(plan: Plan, *, fingerprint: str) -> Replay:
    """`fingerprint`: what a schema is at with the plan's last migration."""
    steps: list[Step] = []
    last = len(plan.migrations) - 1
    numbered = list(enumerate(plan.migrations))
    for is_sql, group in groupby(numbered, key=lambda pair: pair[1].is_sql):
        texts: list[str] = []
        for number, migration in group:
            ending = _ending(plan, migration.node, fingerprint if number == last else None)
            if is_sql:
                texts += ["COMMIT"] if texts else []
                texts += [*_BEGIN, *migration.statements, *ending]
                continue
            begin = () if migration.atomic else _BEGIN
            steps.append(Step(migration, _BETWEEN.join([*begin, *ending])))
        if is_sql:
            steps.append(Step(None, _BETWEEN.join(texts)))
    if not steps:
        text = _BETWEEN.join([*_BEGIN, *_ending(plan, None, fingerprint)])
        steps.append(Step(None, text))
    return Replay(tuple(plan.names), tuple(steps))


def bring(
    identity: TenantIdentity,
    replay: Replay,
    *,
    also: tuple[str, ...] = (),
    afterwards: tuple[str, ...] = (),
) -> None:
    """Run a plan in a schema that it was compiled for.

    `also` is executed in the transaction of the last migration, `afterwards` once that is committed.
    """
    with context.tenant(identity), migration_login.alone():
        for step in replay.steps:
            is_last = step is replay.steps[-1]
            ending = [step.text, *also, "COMMIT", *afterwards] if is_last else [step.text, "COMMIT"]
            if step.migration is None:
                _send(identity, ending)
            elif step.migration.atomic:
                _run_in_transaction(identity, step.migration, ending)
            else:
                _run_outside(identity, step.migration, ending)


def _run_in_transaction(
    identity: TenantIdentity, migration: CompiledMigration, ending: list[str]
) -> None:
    connection = connections[MIGRATION_ALIAS]
    with transaction.atomic(using=MIGRATION_ALIAS):
        with connection.schema_editor(atomic=False) as editor:
            for part in migration.parts:
                if isinstance(part, PythonCode):
                    part.run(editor)
                else:
                    _send(identity, list(part.texts))
        # What the editor deferred has run by now; the rest belongs to the same transaction. It is
        # committed in the same message, after which Django's own COMMIT has nothing to do.
        _send(identity, ending)


def _run_outside(identity: TenantIdentity, migration: CompiledMigration, ending: list[str]) -> None:
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
    _send(identity, ending)


def _ending(plan: Plan, node: Node | None, fingerprint: str | None) -> list[str]:
    """The rows that say what was done, and with the last migration what follows them all."""
    history = sql.Identifier(script.SCHEMA, "django_migrations")
    nodes = [node] if node else []
    texts: list[str] = []
    if fingerprint is not None:
        nodes += plan.recorded
        texts += plan.sealing
    texts += [
        sql.SQL(_RECORD)
        .format(history=history, app=sql.Literal(app), name=sql.Literal(name))
        .as_string(None)
        for app, name in nodes
    ]
    if fingerprint is None:
        entry = sql.SQL(_BETWEEN_TWO).format(schema=sql.Literal(script.SCHEMA))
    else:
        entry = ledger_entry(script.SCHEMA, fingerprint)
    return [*texts, entry.as_string(None)]


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
