"""Expand and contract: which operations would break the version of the code that is still running.

While a fleet is migrated, the release before serves the tenants. What takes something away from it, or
asks more of its INSERTs than it knows of, has to wait until that release is gone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

from shared_apps.fleet.errors import BreakingMigrationError
from shared_apps.fleet.history import History, Step, name_of

# Said on a migration that takes away what no running release uses any more.
CONTRACT_ATTRIBUTE = "contracts"

_TAKES_AWAY = re.compile(
    r"\b(DROP\s+(TABLE|COLUMN|VIEW|SCHEMA|FUNCTION|TYPE)|RENAME\s+(TO|COLUMN)|TRUNCATE"
    r"|ALTER\s+COLUMN\s+\S+\s+(SET\s+DATA\s+)?TYPE|SET\s+NOT\s+NULL)\b",
    re.IGNORECASE,
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_USE_OF = "stop using it in this release, and take it away in the next"


@dataclass(frozen=True, slots=True)
class Breakage:
    migration: str
    operation: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.migration}: {self.operation}: {self.problem}; {self.remedy}"


def require_compatible(history: History) -> None:
    """Raises BreakingMigrationError: it names every operation and what to do instead."""
    found = list(find_breakages(history))
    if found:
        listed = "\n  ".join(map(str, found))
        raise BreakingMigrationError(
            f"{len(found)} operations would break the version that is running:\n  {listed}\n"
            f"A migration that takes away what no running release uses says {CONTRACT_ATTRIBUTE} = True; "
            "--allow-breaking lets all of them pass."
        )


def find_breakages(history: History) -> list[Breakage]:
    """Of the migrations that a schema lacks. A schema with none at all has nothing that could break."""
    if not any(step.is_applied for step in history.steps):
        return []
    found: list[Breakage] = []
    new_models: set[tuple[str, str]] = set()

    def look(step: Step, state: ProjectState) -> None:
        label = step.node[0]
        is_judged = not step.is_applied and not getattr(step.migration, CONTRACT_ATTRIBUTE, False)
        for operation in step.migration.operations:
            for inner in _in_database(operation):
                if isinstance(inner, ops.CreateModel) and not step.is_applied:
                    new_models.add((label, inner.name_lower))
                if is_judged and (label, _model(inner)) not in new_models:
                    found.extend(
                        Breakage(name_of(step.node), inner.describe(), *judged)
                        for judged in _judge(inner, label, state)
                    )
            operation.state_forwards(label, state)

    for _ in history.walk(look):
        pass
    return found


def _in_database(operation: Operation) -> Iterator[Operation]:
    """What of an operation touches the database."""
    if isinstance(operation, ops.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from _in_database(inner)
    else:
        yield operation


def _model(operation: Operation) -> str:
    name = getattr(operation, "model_name", None) or getattr(operation, "name", None) or ""
    return str(name).lower()


def _judge(operation: Operation, label: str, state: ProjectState) -> Iterator[tuple[str, str]]:
    """Problem and remedy of one operation."""
    match operation:
        case ops.RemoveField():
            yield "the running version reads and writes this column", _USE_OF
        case ops.DeleteModel():
            yield "the running version uses this table", _USE_OF
        case ops.RenameField() | ops.RenameModel() | ops.AlterModelTable():
            yield (
                "the running version knows the old name only",
                "add the new one, fill it, and take the old one away in the next release",
            )
        case ops.AddField():
            if not _has_value_of_its_own(operation.field):
                yield (
                    "the running version inserts rows without this column, which must not be null",
                    "give it db_default, or null=True until the next release",
                )
        case ops.AlterField():
            yield from _judge_alteration(operation, label, state)
        case ops.RunSQL():
            text = _COMMENTS.sub("", _text(operation.sql))
            if _TAKES_AWAY.search(text):
                yield "its SQL takes something away or changes it", _USE_OF


def _has_value_of_its_own(field: Any) -> bool:
    return bool(
        field.null
        or field.many_to_many
        or getattr(field, "generated", False)
        or field.db_default is not NOT_PROVIDED
    )


def _judge_alteration(
    operation: ops.AlterField, label: str, state: ProjectState
) -> Iterator[tuple[str, str]]:
    old = state.models[label, operation.model_name_lower].fields[operation.name]
    new = operation.field
    if old.null and not new.null:
        yield "the running version may write null", "fill it first, forbid null in the next release"
    if old.db_default is not NOT_PROVIDED and new.db_default is NOT_PROVIDED and not new.null:
        yield "the running version may leave it to the default", _USE_OF
    if new.max_length is not None and (old.max_length is None or new.max_length < old.max_length):
        yield "the running version may write longer values", _USE_OF
    if old.get_internal_type() != new.get_internal_type() and not _is_wider(old, new):
        yield (
            "the running version reads and writes the old type",
            "add a new column, fill it, and take the old one away in the next release",
        )
    if new.unique and not old.unique:
        yield "the running version may write duplicates", "make sure that none are written first"


_WIDER = {
    "SmallIntegerField": {"IntegerField", "BigIntegerField"},
    "PositiveSmallIntegerField": {"PositiveIntegerField", "PositiveBigIntegerField"},
    "IntegerField": {"BigIntegerField"},
    "PositiveIntegerField": {"PositiveBigIntegerField"},
    "AutoField": {"BigAutoField"},
    "CharField": {"TextField"},
    "SlugField": {"CharField", "TextField"},
    "EmailField": {"CharField", "TextField"},
    "URLField": {"CharField", "TextField"},
    "ForeignKey": {"OneToOneField"},
    "OneToOneField": {"ForeignKey"},
}


def _is_wider(old: Any, new: Any) -> bool:
    return new.get_internal_type() in _WIDER.get(old.get_internal_type(), set())


def _text(statements: Any) -> str:
    if isinstance(statements, str):
        return statements
    return "\n".join(part if isinstance(part, str) else part[0] for part in statements)
