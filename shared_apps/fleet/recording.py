"""Migrations compiled: run once in a scratch schema, with every statement written down.

Because they really run there, operations that look into the database (the name of a constraint that is
dropped) find what they would find in a tenant's schema.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.operations import NotInTransactionMixin
from django.db import router
from django.db.backends.postgresql.schema import DatabaseSchemaEditor
from django.db.migrations import Migration
from django.db.migrations.operations import RunPython, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from shared_apps.fleet.history import Node

_CONCURRENT = re.compile(
    r"(\s*(?:CREATE\s+(?:UNIQUE\s+)?|DROP\s+|RE)INDEX\s+)CONCURRENTLY\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL that is the same for every tenant, with the scratch schema's name for the tenant's."""

    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PythonCode:
    """An operation that runs anew in each tenant: RunPython, or one that says it is not only SQL."""

    label: str
    operation: Operation
    before: ProjectState
    after: ProjectState

    def run(self, editor: Any) -> None:
        if not isinstance(self.operation, RunPython):
            self.operation.database_forwards(self.label, editor, self.before, self.after)
        elif router.allow_migrate(editor.connection.alias, self.label, **self.operation.hints):
            # Not by database_forwards: it would render the models of the state anew each time.
            self.operation.code(self.before.apps, editor)  # type: ignore[arg-type]  # the stub's own Apps


Part = Statements | PythonCode


@dataclass(frozen=True, slots=True)
class CompiledMigration:
    node: Node
    atomic: bool
    parts: tuple[Part, ...]

    @property
    def is_sql(self) -> bool:
        """It can be sent as one message."""
        return self.atomic and all(isinstance(part, Statements) for part in self.parts)

    @property
    def statements(self) -> list[str]:
        return [text for part in self.parts if isinstance(part, Statements) for text in part.texts]


class RecordingEditor(DatabaseSchemaEditor):
    """Executes and writes down."""

    def __init__(self, connection: Any) -> None:
        super().__init__(connection, atomic=False)
        self.texts: list[str] = []

    def execute(self, statement: Any, params: Any = ()) -> None:
        text = str(statement)
        if params is not None:
            text = self.connection.ops.compose_sql(text, params)
        self.texts.append(text)
        with self.connection.cursor() as cursor:
            # The scratch schema lives in one transaction.
            cursor.execute(_CONCURRENT.sub(r"\1", text, count=1))

    def take(self) -> list[Part]:
        """What was written down since it was last asked."""
        taken, self.texts = tuple(self.texts), []
        return [Statements(taken)] if taken else []


def compile_migration(
    connection: Any, node: Node, migration: Migration, state: ProjectState
) -> CompiledMigration:
    """Run a migration in the scratch schema; `state` is brought forward."""
    parts: list[Part] = []
    with RecordingEditor(connection) as editor:
        for operation in migration.operations:
            before = state.clone()
            operation.state_forwards(node[0], state)
            for part in _run(editor, node[0], operation, before, state):
                parts.append(part)
    parts += editor.take()  # what Django defers to the end: keys and indexes of new tables
    return CompiledMigration(node, bool(migration.atomic), tuple(_joined(parts)))


def _run(
    editor: RecordingEditor,
    label: str,
    operation: Operation,
    before: ProjectState,
    after: ProjectState,
) -> Iterator[Part]:
    if type(operation) is SeparateDatabaseAndState:
        yield from _run_database_part(editor, label, operation, before)
        return
    if isinstance(operation, RunPython) or not operation.reduces_to_sql:
        # Rendered here, once: the tenants' threads only read it. The state goes on changing after us.
        code = PythonCode(label, operation, before, after.clone())
        code.run(editor)
        editor.texts.clear()  # whatever it made its editor do, it does again in each tenant
        yield code
        return
    with _outside_transaction(editor.connection, isinstance(operation, NotInTransactionMixin)):
        operation.database_forwards(label, editor, before, after)
    yield from editor.take()


def _run_database_part(
    editor: RecordingEditor, label: str, operation: SeparateDatabaseAndState, before: ProjectState
) -> Iterator[Part]:
    for inner in operation.database_operations:
        after = before.clone()
        inner.state_forwards(label, after)
        yield from _run(editor, label, inner, before, after)
        before = after


@contextmanager
def _outside_transaction(connection: Any, wanted: bool) -> Iterator[None]:
    """Let an operation believe what will be so when it runs in a tenant's schema."""
    was = connection.in_atomic_block
    connection.in_atomic_block = was and not wanted
    try:
        yield
    finally:
        connection.in_atomic_block = was


def _joined(parts: list[Part]) -> Iterator[Part]:
    """Neighbouring statements as one part."""
    texts: list[str] = []
    for part in parts:
        if isinstance(part, Statements):
            texts += part.texts
            continue
        if texts:
            yield Statements(tuple(texts))
            texts = []
        yield part
    if texts:
        yield Statements(tuple(texts))
