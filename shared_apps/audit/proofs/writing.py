"""Write the proof of some entries of one tenant, from the audit database and the anchors outside."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.anchors import inclusion
from shared_apps.audit.anchors.reading import Anchor, Reader
from shared_apps.audit.chain import links
from shared_apps.audit.errors import ProofError
from shared_apps.audit.exports import checking
from shared_apps.audit.exports.entries import ChainRead, StoredEntry, pages
from shared_apps.audit.exports.rendering import as_fields, as_line
from shared_apps.audit.proofs.lines import AnchoredEnd, Head, anchored_line, head_line, runs
from shared_apps.audit.selectors import EntryFilter

Report = Callable[[int, int], None]
"""Entries that are written, and all."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From an entry that was asked for to the anchored end that proves it."""

    first: int
    anchored: AnchoredEnd

    @property
    def last(self) -> int:
        return self.anchored.end.sequence


def numbers_of_record(
    connection: psycopg.Connection[Any], tenant_id: UUID, *, record_id: str, entity: str | None
) -> list[int]:
    """The numbers of a record's entries.

    Raises:
        ProofError: it has none; or more than one kind of record has this id.
    """
    rows = connection.execute(
        "SELECT entity_type, sequence FROM audit.entry WHERE tenant_id = %s AND record_id = %s"
        " AND (%s::text IS NULL OR entity_type = %s) ORDER BY sequence",
        [tenant_id, record_id, entity, entity],
    ).fetchall()
    if not rows:
        raise ProofError(f"the trail of {tenant_id} knows no record {record_id}")
    kinds = sorted({kind for kind, _ in rows})
    if len(kinds) > 1:
        raise ProofError(f"{record_id} is in {', '.join(kinds)}; say which with --entity")
    return [sequence for _, sequence in rows]


def find_stretches(reader: Reader, tenant_id: UUID, numbers: Sequence[int]) -> list[Stretch]:
    """The way from each of the numbers, which are in order, to an anchored end.

    Raises:
        ProofError: no anchor tells of the last of them.
        AnchorPlaceError: the anchors cannot be read.
    """
    stretches: list[Stretch] = []
    done = newest = 0
    for anchor in reader:
        index = bisect_left(anchor.ends, tenant_id, key=lambda end: end.tenant_id)
        if index == len(anchor.ends) or anchor.ends[index].tenant_id != tenant_id:
            continue
        sequence = anchor.ends[index].sequence
        newest = max(newest, sequence)
        if sequence >= numbers[done]:
            stretches.append(Stretch(numbers[done], _anchored(anchor, index)))
            done = bisect_right(numbers, sequence)
        if done == len(numbers):
            return stretches
    known = f"the last anchored end is {newest}" if newest else "no anchor knows its chain"
    raise ProofError(
        f"entry {numbers[done]} of {tenant_id} is in no anchor: {known}; manage.py audit anchor takes one"
    )


def _anchored(anchor: Anchor, index: int) -> AnchoredEnd:
    path = inclusion.path_of(anchor.ends, index)
    return AnchoredEnd(anchor.ends[index], index, tuple(path), anchor.signed)


@dataclass(slots=True)
class Proof:
    """Iterate over it for the bytes. What does not prove itself is not written to its end.

    Raises:
        ProofError: an entry is gone, or is not what was written; `audit verify` says more.
    """

    connection: psycopg.Connection[Any]
    tenant_id: UUID
    numbers: Sequence[int]
    stretches: Sequence[Stretch]
    report: Report = lambda done, total: None
    entries: int = field(default=0, init=False)
    """Written so far, with those between what was asked for and the anchored end."""

    def __iter__(self) -> Iterator[bytes]:
        yield head_line(Head(self.tenant_id, runs(self.numbers)))
        for stretch in self.stretches:
            expected, before = stretch.first, self._hash_before(stretch.first)
            for stored in self._read(stretch):
                entry = replace(stored, previous_hash=before)
                if entry.sequence != expected:
                    raise ProofError(f"there is no entry {expected} of {self.tenant_id}")
                if checking.entry_hash(as_fields(entry)) != entry.hash.hex():
                    raise ProofError(
                        f"entry {expected} is not what was written: audit verify says more"
                    )
                yield as_line(entry)
                expected, before = expected + 1, entry.hash
                self.entries += 1
            if (expected - 1, before) != (stretch.last, stretch.anchored.end.hash):
                raise ProofError(
                    f"the chain does not lead to the end {stretch.last} that was anchored:"
                    " audit verify --anchors says more"
                )
            yield anchored_line(stretch.anchored)

    def _read(self, stretch: Stretch) -> Iterator[StoredEntry]:
        @contextmanager
        def reading(_: UUID) -> Iterator[psycopg.Connection[Any]]:
            yield self.connection

        total = sum(one.last - one.first + 1 for one in self.stretches)
        wanted = ChainRead(self.tenant_id, EntryFilter(), stretch.first - 1, stretch.last)
        for page in pages(reading, wanted):
            yield from page
            self.report(self.entries, total)

    def _hash_before(self, sequence: int) -> bytes:
        if sequence == 1:
            return links.root(self.tenant_id)
        row = self.connection.execute(
            "SELECT hash FROM audit.entry WHERE tenant_id = %(tenant)s AND sequence = %(before)s UNION ALL"
            " SELECT hash FROM audit.checkpoint WHERE tenant_id = %(tenant)s AND sequence = %(before)s",
            {"tenant": self.tenant_id, "before": sequence - 1},
        ).fetchone()
        if row is None:
            raise ProofError(f"there is no entry {sequence - 1} or {sequence} of {self.tenant_id}")
        return bytes(row[0])
