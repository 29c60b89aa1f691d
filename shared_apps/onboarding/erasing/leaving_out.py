"""Rows of an archive, and of the trail since, that are of people who were erased."""

import json
from dataclasses import dataclass
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from shared_apps.audit.sealing import values
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.personal import MASK, Deleted, Emptied, Masked, rules_of
from shared_apps.onboarding.erasing import rules
from shared_apps.onboarding.erasing.declarations import declared
from shared_apps.onboarding.erasing.subjects import Line, Subject, merged
from shared_apps.onboarding.erasing.tombstones import Tombstones
from shared_apps.onboarding.errors import TrailUnfitError

_GONE: Final = "gone"


@dataclass(frozen=True, slots=True)
class Remains:
    """What the rules leave of a row's image in the trail."""

    text: str | None
    erased: tuple[str, ...] = ()
    """Columns whose value nobody knows any more; in `text` they are as an erasure leaves them."""
    is_gone: bool = False
    """The whole row is of somebody who was erased."""


def without_erased(table: str, text: str | None) -> Remains:
    """An image of the trail as a row that may be written again.

    Raises:
        TrailUnfitError: no rule says what a row holds in the place of a value that was erased.
    """
    if text is None or values.ERASED not in text:
        return Remains(text)
    left = {
        name: _left_of(table, name)
        for name, begin, end in values.members(text)
        if text[begin:end] == values.ERASED
    }
    if _GONE in left.values():
        return Remains(None, is_gone=True)
    known = {name: value for name, value in left.items() if value is not None}
    shown = values.replaced(text, lambda name, raw: known.get(name, raw))
    return Remains(shown, tuple(known))


def _left_of(table: str, column: str) -> str | None:
    """In JSON what an erasure leaves of a column; None: the value is the column's own, not an erased one."""
    model = next(m for m in declared(shared=False) if m._meta.db_table == table)
    field = next(f for f in model._meta.concrete_fields if f.column == column)
    for rule in rules_of(model):
        match rule:
            case Emptied() if field.name in rule.columns:
                return json.dumps(rule.columns[field.name], cls=DjangoJSONEncoder)
            case Masked() if field.name in rule.columns:
                return json.dumps(MASK)
            case Deleted() if field.name not in rule.accountable:
                return _GONE
    if isinstance(field, models.JSONField):
        return None
    raise TrailUnfitError(
        "A value was erased, and no rule says what stays.", table=table, column=column
    )


def leave_out(identity: TenantIdentity, tombstones: Tombstones, *, using: str) -> list[Line]:
    """Apply the rules to the rows of a schema, in the caller's transaction.

    A tombstone does not tell the address, so those that stand in the rows are compared with it.
    """
    found: list[Line] = []
    with context.tenant(identity):
        present = rules.columns_of(identity.schema, shared=False, using=using)
        subjects = [Subject(user_id, None) for user_id in sorted(tombstones.people)]
        if tombstones.hashes:
            subjects += _by_address(tombstones, using)
        for subject in subjects:
            lines = rules.carry_out(subject, shared=False, dry=False, present=present, using=using)
            found = merged(found, [line for own in lines.values() for line in own])
    return found


def _by_address(tombstones: Tombstones, using: str) -> list[Subject]:
    addresses = set().union(
        *(rules.addresses_in(model, using=using) for model in declared(shared=False))
    )
    # The account's id was looked for by itself.
    return [Subject(None, address) for address in sorted(addresses) if tombstones.cover(address)]
