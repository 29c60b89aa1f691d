"""What was done to entries that do not fit: edited, deleted, reordered, transplanted, cut off."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.chain import links
from shared_apps.audit.chain.links import Link
from shared_apps.audit.chain.walking import Walked

_MOST_TRIED = 25  # places of which a tenant's entry may come; each costs a hash for each bad entry


class Kind(StrEnum):
    """What is wrong with an entry."""

    EDITED = "edited"
    MISSING = "missing"
    REORDERED = "reordered"
    TRANSPLANTED = "transplanted"
    TAIL_CUT = "tail cut"
    HEAD = "end of chain"
    REWRITTEN = "rewritten"
    ROLLED_BACK = "rolled back"
    PRUNED = "pruned"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was done to the entries `sequence` to `last`."""

    kind: Kind
    sequence: int
    last: int | None = None
    detail: str = ""

    @property
    def numbers(self) -> str:
        return (
            f"{self.sequence}"
            if self.last in (None, self.sequence)
            else f"{self.sequence}-{self.last}"
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an entry may have stood: its number, and the hash of the entry before."""

    tenant_id: UUID
    sequence: int
    previous: bytes


class Suspicion:
    """All that was found wrong, of all chains: an entry that does not fit here may be missing there."""

    def __init__(
        self, connection: psycopg.Connection[Any], walked: Mapping[UUID, Sequence[Walked]]
    ) -> None:
        self._connection = connection
        self._twins = self._read_twins(
            [link for parts in walked.values() for part in parts for link in part.unfitting]
        )
        self._places = {
            tenant_id: list(self._vacated(tenant_id, parts))
            for tenant_id, parts in walked.items()
            if any(part.unfitting or part.holes for part in parts)
        }

    def of(self, part: Walked) -> Iterator[Problem]:
        for hole in part.holes:
            yield Problem(Kind.MISSING, hole.first, hole.last)
        for link in part.unfitting:
            yield self._explain(part.stretch.tenant_id, link)

    def _explain(self, tenant_id: UUID, link: Link) -> Problem:
        for place in self._places.get(tenant_id, []):
            if _stood_at(place, link) and place.sequence != link.sequence:
                return Problem(
                    Kind.REORDERED, link.sequence, detail=f"it was written as {place.sequence}"
                )
        for other, sequence in self._twins[link.hash]:
            if other != tenant_id:
                return Problem(
                    Kind.TRANSPLANTED,
                    link.sequence,
                    detail=f"it is a copy of entry {sequence} of tenant {other}",
                )
        for other, places in self._places.items():
            for place in places:
                if other != tenant_id and _stood_at(place, link):
                    return Problem(
                        Kind.TRANSPLANTED,
                        link.sequence,
                        detail=f"it is entry {place.sequence} of tenant {other}",
                    )
        return Problem(
            Kind.EDITED,
            link.sequence,
            detail=f"its content, its hash or the hash of entry {link.sequence - 1} was changed",
        )

    def _read_twins(self, unfitting: list[Link]) -> dict[bytes, list[tuple[UUID, int]]]:
        """Entries of the same hash, in one look through all of them: there is no index for it."""
        twins: dict[bytes, list[tuple[UUID, int]]] = {}
        if unfitting:
            hashes = list({link.hash for link in unfitting})
            for stored, tenant_id, sequence in self._connection.execute(
                "SELECT hash, tenant_id, sequence FROM audit.entry WHERE hash = ANY(%s)", [hashes]
            ):
                twins.setdefault(bytes(stored), []).append((tenant_id, sequence))
        return twins

    def _vacated(self, tenant_id: UUID, parts: Sequence[Walked]) -> Iterator[_Place]:
        """Numbers whose entry is gone or is not the right one, with what may have stood before them."""
        unfitting = [link for part in parts for link in part.unfitting][:_MOST_TRIED]
        numbers = [link.sequence for link in unfitting]
        for part in parts:
            for hole in part.holes:
                numbers += range(hole.first, min(hole.last, hole.first + _MOST_TRIED) + 1)
        numbers = numbers[:_MOST_TRIED]
        before = dict(
            self._connection.execute(
                "SELECT sequence, hash FROM audit.entry WHERE tenant_id = %s AND sequence = ANY(%s)",
                [tenant_id, [number - 1 for number in numbers]],
            ).fetchall()
        )
        moved = [link.hash for link in unfitting]
        beginning = parts[0].stretch
        for number in numbers:
            own = beginning.previous if number == beginning.first else before.get(number - 1)
            for previous in ([own] if own else []) + moved:
                yield _Place(tenant_id, number, previous)


def with_cut_tail(problems: list[Problem], *, newest: int, recorded: int | None) -> list[Problem]:
    """The hole that reaches to the recorded end is a tail that was cut off."""
    if recorded is None or newest >= recorded:
        return problems
    kept = [p for p in problems if not (p.kind is Kind.MISSING and p.sequence > newest)]
    return [*kept, Problem(Kind.TAIL_CUT, newest + 1, recorded)]


def _stood_at(place: _Place, link: Link) -> bool:
    tenant = links.tenant_part(place.tenant_id)
    return link.hash == links.linked(place.previous, tenant, place.sequence, link.content)
