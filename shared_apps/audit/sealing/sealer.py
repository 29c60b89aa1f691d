"""What the relay does to rows between the outbox and the trail."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg

from shared_apps.audit.sealing import keys, values
from shared_apps.audit.sealing.fields import PersonalColumns, is_empty, personal_tables
from shared_apps.audit.sealing.values import DataKey, Place
from shared_apps.audit.sealing.wrapping import Subject

if TYPE_CHECKING:
    from shared_apps.audit.transfer import OutboxRow

_IP = "ip"
ATTRIBUTION_FIELD = "attribution.ip"
"""What the place of a sealed IP address is called."""
_NOWHERE = UUID(int=0)

Owners = dict[tuple[str, str], frozenset[Subject]]
"""Field and value, as JSON text → whose it is. A value that did not change is in it once, so that it is
sealed once and the difference still tells what changed."""


@dataclass(frozen=True, slots=True)
class _Draft:
    row: "OutboxRow"
    owners: Owners
    address: tuple[str, Subject] | None
    """The IP address of who did it, and who that is."""

    @property
    def subjects(self) -> set[Subject]:
        return set().union(*self.owners.values())

    @property
    def people(self) -> set[Subject]:
        return self.subjects | ({self.address[1]} if self.address else set())


@dataclass(slots=True)
class _Ring:
    """The keys that a batch needs."""

    trail_id: UUID
    keys: Mapping[Subject, DataKey] = field(default_factory=dict)
    erased: Mapping[Subject, datetime] = field(default_factory=dict)
    addresses: dict[tuple[str, Subject], str] = field(default_factory=dict)

    def seal(self, row: "OutboxRow", raw: str, whose: Iterable[Subject], place: Place) -> str:
        if any(self.is_past(row, person) for person in whose):
            return values.ERASED
        in_order = sorted(whose, key=lambda person: person.text)
        return values.seal(raw, [self.keys[person] for person in in_order], place)

    def seal_address(self, row: "OutboxRow", raw: str, person: Subject) -> str:
        """Once for all rows of a batch: those of one request have the same."""
        if self.is_past(row, person):
            return values.ERASED
        found = self.addresses.get((raw, person))
        if found is None:
            place = Place(self.trail_id, _NOWHERE, ATTRIBUTION_FIELD)
            found = self.addresses[raw, person] = values.seal(raw, [self.keys[person]], place)
        return found

    def is_past(self, row: "OutboxRow", person: Subject) -> bool:
        """Whether the row is from before the person was erased."""
        return person in self.erased and row.created_at <= self.erased[person]


def sealed(
    source: psycopg.Connection[Any], trail_id: UUID, rows: Sequence["OutboxRow"]
) -> list["OutboxRow"]:
    """Rows of one trail with their personal values sealed, in the transaction that claimed them.

    Raises:
        SealingKeyError: AUDIT_SEALING_KEYS is not what keys were wrapped with; roll back.
    """
    drafts = [_draft(row) for row in rows]
    ring = _Ring(trail_id)
    people = {subject for draft in drafts for subject in draft.people}
    if people:
        ring.erased = keys.erased_since(source, people)
        entries = Counter(
            s for draft in drafts for s in draft.subjects if not ring.is_past(draft.row, s)
        )
        present = {s for draft in drafts for s in draft.people if not ring.is_past(draft.row, s)}
        if present:
            ring.keys = keys.use(source, trail_id, {person: entries[person] for person in present})
            # Again, now that their keys are locked: somebody may have been erased meanwhile.
            ring.erased = keys.erased_since(source, people)
    return [_sealed(draft, ring) for draft in drafts]


def _draft(row: "OutboxRow") -> _Draft:
    rules = personal_tables().get(row.table_name, ())
    owners: dict[tuple[str, str], set[Subject]] = {}
    for text in (row.old_values, row.new_values):
        # A value that only looks sealed would be shown as an erased one.
        if text is not None and (rules or values.may_hold_sealed(text)):
            image = {name: text[begin:end] for name, begin, end in values.members(text)}
            for name, raw in image.items():
                whose = {s for rule in _of(rules, name, raw) for s in rule.whose(raw, image)}
                if whose or values.looks_sealed(raw):
                    owners.setdefault((name, raw), set()).update(whose)
    return _Draft(row, {key: frozenset(whose) for key, whose in owners.items()}, _actor(row))


def _of(rules: Iterable[PersonalColumns], name: str, raw: str) -> list[PersonalColumns]:
    return [] if is_empty(raw) else [rule for rule in rules if name in rule.columns]


def _actor(row: "OutboxRow") -> tuple[str, Subject] | None:
    text = row.attribution
    if text is None or '"ip"' not in text or '"user_id"' not in text:
        return None
    try:
        known = {name: text[begin:end] for name, begin, end in values.members(text)}
    except (ValueError, IndexError):
        return None
    address, user = known.get(_IP, "null"), known.get("user_id", "null")
    if is_empty(address) or is_empty(user):
        return None
    return address, Subject.of_account(values.text_of(user))


def _sealed(draft: _Draft, ring: _Ring) -> "OutboxRow":
    row = draft.row
    if draft.owners:
        tokens = {
            (name, raw): ring.seal(row, raw, whose, Place(ring.trail_id, row.uid, name))
            for (name, raw), whose in draft.owners.items()
        }

        def image(text: str | None) -> str | None:
            if text is None:
                return None
            return values.replaced(text, lambda name, raw: tokens.get((name, raw), raw))

        row = replace(row, old_values=image(row.old_values), new_values=image(row.new_values))
    if draft.address is not None and row.attribution is not None:
        token = ring.seal_address(row, *draft.address)
        who = values.replaced(row.attribution, lambda name, raw: token if name == _IP else raw)
        row = replace(row, attribution=who)
    return row
