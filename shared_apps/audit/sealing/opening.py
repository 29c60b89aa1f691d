"""What readers do to entries of the trail: open what is sealed, and say what cannot be opened any more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared_apps.audit.sealing import values, wrapping
from shared_apps.audit.sealing.models import PersonKey, WrappingKey
from shared_apps.audit.sealing.sealer import ATTRIBUTION_FIELD
from shared_apps.audit.sealing.values import DataKey, Place
from shared_apps.core import context

if TYPE_CHECKING:
    from shared_apps.audit.selectors import Entry

_NOWHERE: Final = UUID(int=0)
Keys = Mapping[UUID, DataKey]


def opened(entries: "Sequence[Entry]") -> "list[Entry]":
    """Entries with the values that were sealed; `values.ERASED` for those of people who were erased.

    Raises:
        SealingKeyError: AUDIT_SEALING_KEYS is not what keys were wrapped with.
    """
    wanted = {
        id
        for entry in entries
        for text in _texts(entry)
        if values.may_hold_sealed(text)
        for id in values.ids_in(text)
    }
    known = _load(wanted) if wanted else {}
    return [
        _opened(entry, known.get(entry.tenant_id, {}))
        if any(map(values.may_hold_sealed, _texts(entry)))
        else entry
        for entry in entries
    ]


def _texts(entry: "Entry") -> list[str]:
    texts = (entry.old_values, entry.new_values, entry.diff, entry.attribution)
    return [text for text in texts if text is not None]


def _load(ids: Iterable[UUID]) -> dict[UUID, dict[UUID, DataKey]]:
    """Trail → its keys. One that is another trail's opens nothing here."""
    with context.operator():
        wrapping.require(WrappingKey.objects.values_list("id", "proof"))
        rows = list(
            PersonKey.objects.filter(id__in=ids).values_list(
                "id", "trail_id", "wrapped", "wrapping_key_id"
            )
        )
    secrets = wrapping.by_id()
    found: dict[UUID, dict[UUID, DataKey]] = {}
    for key_id, trail_id, wrapped, wrapped_by in rows:
        key, _ = secrets[wrapped_by].unwrap(bytes(wrapped), key_id=key_id, trail_id=trail_id)
        found.setdefault(trail_id, {})[key_id] = DataKey(key_id, key)
    return found


def _opened(entry: "Entry", keys: Keys) -> "Entry":
    def image(text: str | None) -> str | None:
        if text is None or not values.may_hold_sealed(text):
            return text
        return values.replaced(text, lambda name, raw: value(name, raw))

    def value(name: str, raw: str) -> str:
        return values.opened(raw, keys, Place(entry.tenant_id, entry.uid, name))

    def change(name: str, raw: str) -> str:
        # {"old": …, "new": …}
        return values.replaced(raw, lambda _, side: value(name, side))

    def who(_: str, raw: str) -> str:
        return values.opened(raw, keys, Place(entry.tenant_id, _NOWHERE, ATTRIBUTION_FIELD))

    return replace(
        entry,
        old_values=image(entry.old_values),
        new_values=image(entry.new_values),
        diff=values.replaced(entry.diff, change),
        attribution=values.replaced(entry.attribution, who),
    )
