"""What the relay does to rows between the outbox and the trail."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
    attributions: dict[str, str] = field(default_factory=dict)
    """As they were → with the IP address sealed: those of one request are the same."""

    def seal(self, row: "OutboxRow", raw: str, whose: Iterable[Subject], place: Place) -> str:
        if any(self.is_past(row, person) for person in whose):
            return values.ERASED
        in_order = sorted(whose, key=lambda person: person.text)
        return values.seal(raw, [self.keys[person] for person in in_order], place)

    def seal_address(self, row: "OutboxRow", text: str, raw: str, person: Subject) -> str:
        def with_token(token: str) -> str:
            return values.replaced(text, lambda name, found: token if name == _IP else found)

        if self.is_past(row, person):
            return with_token(values.ERASED)
        if text not in self.attributions:
            place = Place(self.trail_id, _NOWHERE, ATTRIBUTION_FIELD)
            self.attributions[text] = with_token(values.seal(raw, [self.keys[person]], place))
        return self.attributions[text]

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
    actors: dict[str | None, tuple[str, Subject] | None] = {}
    for row in rows:
        if row.attribution not in actors:
            actors[row.attribution] = _actor(row.attribution)
    drafts = [_draft(row, actors[row.attribution]) for row in rows]
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


def _draft(row: "OutboxRow", address: tuple[str, Subject] | None) -> _Draft:
    rules = personal_tables().get(row.table_name, ())
    owners: Owners = {}
    for text in (row.old_values, row.new_values):
        if text is not None and (rules or values.may_hold_sealed(text)):
            image = {name: text[begin:end] for name, begin, end in values.members(text)}
            for name, raw, whose in _owned(rules, image):
                owners[name, raw] = owners.get((name, raw), frozenset()) | whose
    return _Draft(row, owners, address)


def _owned(
    rules: Iterable[PersonalColumns], image: Mapping[str, str]
) -> Iterator[tuple[str, str, frozenset[Subject]]]:
    for rule in rules:
        filled = [name for name in rule.columns if not is_empty(image.get(name, "null"))]
        for name, whose in rule.owners(filled, image):
            if whose:
                yield name, image[name], whose
    for name, raw in image.items():
        # What only looks sealed would be shown as an erased value.
        if raw.startswith("{") and values.looks_sealed(raw):
            yield name, raw, frozenset()


def _actor(text: str | None) -> tuple[str, Subject] | None:
    """The IP address of who did it, if that is known, and their account."""
    if text is None or '"ip"' not in text or '"user_id"' not in text:
        return None
    try:
        known = {name: text[begin:end] for name, begin, end in values.members(text)}
    except ValueError:
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

        row = row._replace(old_values=image(row.old_values), new_values=image(row.new_values))
    if draft.address is not None and row.attribution is not None:
        who = ring.seal_address(row, row.attribution, *draft.address)
        row = row._replace(attribution=who)
    return row
