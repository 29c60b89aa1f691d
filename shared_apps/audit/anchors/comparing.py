"""The chains as they are against their ends as anchors tell them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.anchors.documents import Statement
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.chain import links
from shared_apps.audit.chain.diagnosing import Kind, Problem

_AT_ONCE = 20_000  # ends that one query compares

# A chain that was cut at its beginning answers for its checkpoint, and for nothing before.
_STORED = """
SELECT p.position, CASE WHEN c.sequence >= p.sequence THEN
    CASE WHEN c.sequence = p.sequence THEN c.hash END ELSE e.hash END, coalesce(c.sequence, 0) > p.sequence
FROM unnest(%s::uuid[], %s::bigint[]) WITH ORDINALITY AS p (tenant_id, sequence, position)
LEFT JOIN audit.checkpoint c USING (tenant_id)
LEFT JOIN audit.entry e ON e.tenant_id = p.tenant_id AND e.sequence = p.sequence
"""


@dataclass(frozen=True, slots=True)
class _Point:
    tenant_id: UUID
    sequence: int
    hash: bytes
    counter: int
    taken_at: datetime


@dataclass(slots=True)
class _Chain:
    """What anchors say of one chain."""

    proven: int = 0
    """The last end that fits before the first that does not."""
    first_amiss: _Point | None = None
    last_amiss: _Point | None = None
    last: _Point | None = None
    is_short: bool = False
    """Some end is not there."""

    def fits(self, point: _Point) -> None:
        if self.first_amiss is None or point.sequence < self.first_amiss.sequence:
            self.proven = max(self.proven, point.sequence)

    def is_amiss(self, point: _Point) -> None:
        if self.first_amiss is None or point.sequence < self.first_amiss.sequence:
            self.first_amiss = point
            self.proven = self.proven if self.proven < point.sequence else 0
        if self.last_amiss is None or point.sequence > self.last_amiss.sequence:
            self.last_amiss = point


@dataclass(frozen=True, slots=True)
class Comparison:
    """`proven`: the number up to which a tenant's chain is what was anchored."""

    proven: dict[UUID, int]
    problems: dict[UUID, list[Problem]]
    of_anchors: list[str]
    first: Statement | None
    last: Statement | None


def compare(*, url: str, reader: Reader, tenants: Sequence[UUID] | None) -> Comparison:
    """Look up every anchored end.

    An entry's hash covers all before it, so that an end that fits proves the chain up to there, if its
    hashes are right; `verifying` says whether they are.

    Raises:
        psycopg.Error: the audit database does not answer, or the login may not read all of it.
    """
    asked = None if tenants is None else set(tenants)
    chains: dict[UUID, _Chain] = {}
    with links.connect(url) as connection:
        for points in _batches(reader, asked):
            _look_up(connection, points, chains)
        problems = {
            tenant_id: list(_explain(chain, _newest(connection, tenant_id)))
            for tenant_id, chain in chains.items()
            if chain.first_amiss or chain.is_short
        }
        of_anchors = [*reader.problems, *_given_away(connection, reader)]
    return Comparison(
        proven={tenant_id: chain.proven for tenant_id, chain in chains.items()},
        problems=problems,
        of_anchors=of_anchors,
        first=reader.first,
        last=reader.last,
    )


def _batches(reader: Reader, asked: set[UUID] | None) -> Iterator[list[_Point]]:
    points: list[_Point] = []
    for anchor in reader:
        statement = anchor.statement
        points += [
            _Point(end.tenant_id, end.sequence, end.hash, statement.counter, statement.taken_at)
            for end in anchor.ends
            if asked is None or end.tenant_id in asked
        ]
        if len(points) >= _AT_ONCE:
            yield points
            points = []
    yield points


def _look_up(
    connection: psycopg.Connection[Any], points: list[_Point], chains: dict[UUID, _Chain]
) -> None:
    rows = connection.execute(
        _STORED, [[point.tenant_id for point in points], [point.sequence for point in points]]
    ).fetchall()
    # A number that two entries have is found by the walk along the chain.
    stored = {position: (hash_, is_pruned) for position, hash_, is_pruned in rows}
    for position, point in enumerate(points, start=1):
        hash_, is_pruned = stored[position]
        chain = chains.setdefault(point.tenant_id, _Chain())
        if chain.last is None or point.sequence > chain.last.sequence:
            chain.last = point
        if hash_ == point.hash:
            chain.fits(point)
        elif hash_ is not None:
            chain.is_amiss(point)
        elif not is_pruned:
            chain.is_short = True


def _newest(connection: psycopg.Connection[Any], tenant_id: UUID) -> int:
    row = connection.execute(
        "SELECT greatest((SELECT sequence FROM audit.entry WHERE tenant_id = %(tenant)s"
        " ORDER BY sequence DESC LIMIT 1), (SELECT sequence FROM audit.checkpoint WHERE tenant_id = %(tenant)s))",
        {"tenant": tenant_id},
    ).fetchone()
    return int(row[0] or 0) if row else 0


def _explain(chain: _Chain, newest: int) -> Iterator[Problem]:
    if chain.first_amiss and chain.last_amiss:
        yield Problem(
            Kind.REWRITTEN,
            chain.proven + 1,
            chain.last_amiss.sequence,
            detail=f"{_named(chain.first_amiss)} tells another hash of entry {chain.first_amiss.sequence}",
        )
    # One that is missing between others is found by the walk along the chain.
    if chain.last and chain.last.sequence > newest:
        yield Problem(
            Kind.ROLLED_BACK,
            newest + 1,
            chain.last.sequence,
            detail=f"{_named(chain.last)} knows them",
        )


def _named(point: _Point) -> str:
    return f"anchor {point.counter} of {point.taken_at:%Y-%m-%d %H:%M:%S}"


def _given_away(connection: psycopg.Connection[Any], reader: Reader) -> Iterator[str]:
    """Anchors that the audit database has given away and that are not among those read."""
    row = connection.execute(
        "SELECT max(counter) FROM audit.anchor WHERE delivered <> '{}'"
    ).fetchone()
    known = row[0] if row and row[0] else 0
    last = reader.last.counter if reader.last else 0
    if known > last:
        yield (
            f"anchors up to {known} were given away, but the last one here is"
            f" {last or 'none'}: newer ones are missing"
        )
