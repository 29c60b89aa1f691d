"""Which columns of which tables are whose, from what models declare (core/personal.py)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db import models

from shared_apps.audit.choices import Access
from shared_apps.audit.models import Auditable
from shared_apps.audit.sealing.values import text_of
from shared_apps.audit.sealing.wrapping import Subject
from shared_apps.core.personal import (
    Anonymised,
    Deleted,
    Emptied,
    Masked,
    Rule,
    is_by_address,
    rules_of,
)

# Not more than may be an address; one too many costs a key, one too few is readable for ever.
_ADDRESSES = re.compile(r"[\w!#$%&'*+/=?^`{|}~.-]+@[\w-]+(?:\.[\w-]+)*")
_NOBODYS = ("null", '""')


@dataclass(frozen=True, slots=True)
class PersonalColumns:
    columns: frozenset[str]
    by: str | None
    """The column that says whose they are; None: addresses in them do."""
    is_address: bool = False

    def owners(
        self, columns: Iterable[str], image: Mapping[str, str]
    ) -> Iterable[tuple[str, frozenset[Subject]]]:
        """Whose each of these columns is in a row, whose values are JSON texts."""
        if self.by is None:
            return [(name, _mentioned(image[name])) for name in columns]
        owner = image.get(self.by, "null")
        if is_empty(owner):
            return []
        make = Subject.of_address if self.is_address else Subject.of_account
        whose = frozenset([make(text_of(owner))])
        return [(name, whose) for name in columns]


def _mentioned(raw: str) -> frozenset[Subject]:
    found = _ADDRESSES.findall(text_of(raw))
    return frozenset(Subject.of_address(address.strip("'")) for address in found)


def is_empty(raw: str) -> bool:
    """Whether a value's JSON text tells nothing."""
    return raw in _NOBODYS


@cache
def personal_tables() -> dict[str, tuple[PersonalColumns, ...]]:
    """Table → what of its rows is personal, for the tables that are recorded."""
    found = {
        model._meta.db_table: tuple(_resolved(model))
        for model in apps.get_models()
        if issubclass(model, Auditable) and not model._meta.proxy
    }
    # What was asked for when somebody read something may be an address.
    asked = (PersonalColumns(frozenset({"query"}), by=None),)
    return {table: rules for table, rules in found.items() if rules} | dict.fromkeys(Access, asked)


def _resolved(model: type[models.Model]) -> Iterable[PersonalColumns]:
    for rule in rules_of(model):
        columns = frozenset(_columns(model, rule))
        if not columns:
            continue
        match rule:
            case Masked():
                yield PersonalColumns(columns, by=None)
            case Anonymised():
                yield PersonalColumns(columns, _column(model, rule.by))
            case Deleted() | Emptied():
                yield PersonalColumns(columns, _column(model, rule.by), is_by_address(model, rule))


def _columns(model: type[models.Model], rule: Rule) -> Iterable[str]:
    match rule:
        case Masked() | Emptied() | Anonymised():
            return [_column(model, name) for name in rule.columns]
        case Deleted():
            kept = set(rule.accountable)
            return [
                str(field.column)
                for field in model._meta.concrete_fields
                if field.name not in kept and not _is_key(field)
            ]
    return []  # what is kept stays readable in the row and in the trail


def _is_key(field: "models.Field[Any, Any]") -> bool:
    return field.primary_key or field.is_relation or isinstance(field, models.UUIDField)


def _column(model: type[models.Model], name: str) -> str:
    return next(
        str(field.column)
        for field in model._meta.concrete_fields
        if name in (field.name, field.attname)
    )
