"""Two streams of records in the order of their keys, side by side."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from shared_apps.audit.images import load_values
from shared_apps.audit.reconciling.live import LiveRecord
from shared_apps.audit.sealing.values import ERASED
from shared_apps.audit.selectors import LastImage

Normalise = Callable[[str], str | None]
"""An image as today's table would hold it."""


_ERASED = load_values(ERASED)


class Kind(StrEnum):
    CHANGED = "changed"
    """The row is not what the trail says."""
    MISSING = "missing"
    """The trail has it, the table has not."""
    DELETED = "deleted"
    """The trail ends with its deletion, and there it is."""
    UNRECORDED = "unrecorded"
    """The trail has never heard of it."""


@dataclass(frozen=True, slots=True)
class Difference:
    record_id: str
    kind: Kind
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A record: its row, and its last image; `is_known` says whether the trail has heard of it."""

    record_id: str
    row: str | None
    is_known: bool
    image: str | None


def pairs(live: Iterable[LiveRecord], stored: Iterable[LastImage]) -> Iterator[Pair]:
    """Each record of either side once. What waits in the outbox is newer than what is stored."""
    images = iter(stored)
    image = next(images, None)
    for record in live:
        while image is not None and _before(image.record_id, record.record_id):
            yield Pair(image.record_id, None, True, image.new_values)
            image = next(images, None)
        known = image if image is not None and image.record_id == record.record_id else None
        if record.is_waiting:
            yield Pair(record.record_id, record.image, True, record.waiting)
        else:
            last = None if known is None else known.new_values
            yield Pair(record.record_id, record.image, known is not None, last)
        if known is not None:
            image = next(images, None)
    while image is not None:
        yield Pair(image.record_id, None, True, image.new_values)
        image = next(images, None)


def _before(one: str, other: str) -> bool:
    """As COLLATE "C" has it: by their bytes."""
    return one.encode() < other.encode()


def difference(pair: Pair, normalise: Normalise) -> Difference | None:
    if pair.row is None:
        return None if pair.image is None else Difference(pair.record_id, Kind.MISSING)
    if not pair.is_known:
        return Difference(pair.record_id, Kind.UNRECORDED)
    if pair.image is None:
        return Difference(pair.record_id, Kind.DELETED)
    if pair.image == pair.row:
        return None
    columns = _differing(pair.row, pair.image)
    if columns and (today := normalise(pair.image)) is not None:
        columns = _differing(pair.row, today)
    return Difference(pair.record_id, Kind.CHANGED, columns) if columns else None


def _differing(row: str, image: str) -> tuple[str, ...]:
    """Of the columns that both have: one that was added later was never recorded, one that is gone is gone.

    What the trail held of a person who was erased cannot be compared with anything.
    """
    now, then = _values(row), _values(image)
    return tuple(
        name for name in now if name in then and then[name] != _ERASED and now[name] != then[name]
    )


def _values(text: str) -> dict[str, Any]:
    return load_values(text) or {}


class Digest:
    """Of rows in their order, so that two runs, or two servers, can be compared."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, record_id: str, row: str) -> None:
        for text in (record_id, row):
            data = text.encode()
            self._hash.update(len(data).to_bytes(8, "big") + data)

    @property
    def value(self) -> str:
        return self._hash.hexdigest()
