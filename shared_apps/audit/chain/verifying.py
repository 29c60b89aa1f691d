"""Whether each tenant's chain is whole: all entries, each as it was written, in their order."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.chain import diagnosing, links
from shared_apps.audit.chain.diagnosing import Kind, Problem
from shared_apps.audit.chain.walking import Stretch, Walked, walk

_STRETCH = 100_000  # entries that one process takes at a time

Report = Callable[[int, int], None]
"""Entries that are done, and all."""

# The entries' own index tells the tenants apart without reading all of them.
_CHAINS = """
WITH RECURSIVE stored (tenant_id) AS (
    (SELECT tenant_id FROM audit.entry ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (SELECT e.tenant_id FROM audit.entry e WHERE e.tenant_id > stored.tenant_id
            ORDER BY e.tenant_id LIMIT 1)
    FROM stored WHERE stored.tenant_id IS NOT NULL
)
SELECT tenant_id, c.sequence, c.hash,
       (SELECT max(e.sequence) FROM audit.entry e WHERE e.tenant_id = t.tenant_id), p.sequence, p.hash,
       p.sequence IS NULL OR EXISTS (
           SELECT FROM audit.entry e WHERE e.tenant_id = t.tenant_id AND e.entity_type = 'audit.retention'
           AND (e.new_values ->> 'pruned_up_to')::bigint >= p.sequence)
FROM (SELECT tenant_id FROM audit.chain UNION SELECT tenant_id FROM stored) t
LEFT JOIN audit.chain c USING (tenant_id)
LEFT JOIN audit.checkpoint p USING (tenant_id)
WHERE tenant_id IS NOT NULL AND (%(tenants)s::uuid[] IS NULL OR tenant_id = ANY(%(tenants)s))
ORDER BY tenant_id
"""


# Where each portion of the entries begins. By the entries that there are, not by their numbers: who set one to
# a quintillion would keep the verifier busy for ever.
_PORTIONS = """
SELECT sequence, total FROM (
    SELECT sequence, row_number() OVER (ORDER BY sequence) AS place, count(*) OVER () AS total
    FROM audit.entry WHERE tenant_id = %s AND sequence > %s AND sequence <= %s) entries
WHERE (place - 1) %% %s = 0 ORDER BY sequence
"""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends by its own record, and by its entries."""

    tenant_id: UUID
    sequence: int | None
    """None: the record of the chain's end is gone."""
    hash: bytes | None
    newest: int
    """The highest number that an entry has, or the last one that retention removed; 0: there is none."""
    pruned: int
    """The last number that retention removed; what is still there of those before does not count."""
    pruned_hash: bytes
    """Its hash, which the first entry follows; the root of a chain that is there from its beginning."""
    is_pruning_told: bool
    """An entry of the chain tells of the removal."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A tenant's chain after it was followed from end to end."""

    tenant_id: UUID
    entries: int
    sequence: int
    hash: str
    """Of the end, in hexadecimal: to be compared with one that was written down elsewhere."""
    pruned: int
    """The last number that retention removed; 0: the chain is there from its beginning."""
    problems: tuple[Problem, ...]
    """In the order of the entries: the first is the first bad one."""
    has_more: bool
    """There are more problems than are told."""


def verify(
    *,
    url: str,
    tenants: Sequence[UUID] | None = None,
    jobs: int = 2,
    stretch: int = _STRETCH,
    report: Report = lambda done, total: None,
) -> list[Verdict]:
    """Follow the chains of all tenants, or of some, over `jobs` processes and connections.

    A process takes at most `stretch` entries at a time, so that a long chain is shared.
    What is written meanwhile is left for the next time.

    Raises:
        psycopg.Error: the audit database does not answer, or the login may not read all of it.
    """
    with links.connect(url) as connection:
        heads = _heads(connection, tenants)
        walked: dict[UUID, list[Walked]] = {head.tenant_id: [] for head in heads}
        for part in _walk_all(connection, url, heads, jobs, stretch, report):
            walked[part.stretch.tenant_id].append(part)
        for parts in walked.values():
            parts.sort(key=lambda part: part.stretch.first)
        suspicion = diagnosing.Suspicion(connection, walked)
        return [_judge(head, walked[head.tenant_id], suspicion) for head in heads]


def _heads(connection: psycopg.Connection[Any], tenants: Sequence[UUID] | None) -> list[Head]:
    asked = None if tenants is None else list(tenants)
    rows = connection.execute(_CHAINS, {"tenants": asked}).fetchall()
    return [
        Head(
            tenant_id, sequence, end, max(newest or 0, pruned or 0),
            pruned or 0, pruned_hash or links.root(tenant_id), is_told,
        )
        for tenant_id, sequence, end, newest, pruned, pruned_hash, is_told in rows
    ]  # fmt: skip


def _walk_all(
    connection: psycopg.Connection[Any],
    url: str,
    heads: list[Head],
    jobs: int,
    stretch: int,
    report: Report,
) -> Iterator[Walked]:
    stretches: list[Stretch] = []
    total = done = 0
    for head in heads:
        limits = [head.tenant_id, head.pruned, head.newest, stretch]
        rows = connection.execute(_PORTIONS, limits).fetchall()
        if rows:
            # The first begins where the chain does, also where no entry does.
            starts = [head.pruned + 1, *(sequence for sequence, _ in rows[1:])]
            ends = [*(start - 1 for start in starts[1:]), head.newest]
            beginnings = [head.pruned_hash, *[None] * len(rows[1:])]
            stretches += map(Stretch, [head.tenant_id] * len(starts), starts, ends, beginnings)
            total += rows[0][1]
    # A process of its own takes longer to start than a few entries take to follow.
    is_worth_it = jobs > 1 and total > stretch
    for walked in (
        _shared(url, stretches, jobs) if is_worth_it else (walk(url, s) for s in stretches)
    ):
        done += walked.entries
        report(done, total)
        yield walked


def _shared(url: str, stretches: list[Stretch], jobs: int) -> Iterator[Walked]:
    # Spawned: a fork would take locks and connections of this process along.
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(stretches)) or 1, mp_context=spawning) as pool:
        running = [pool.submit(walk, url, stretch) for stretch in stretches]
        try:
            for future in as_completed(running):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _judge(head: Head, parts: list[Walked], suspicion: diagnosing.Suspicion) -> Verdict:
    problems = [problem for part in parts for problem in suspicion.of(part)]
    tail = next((part.tail for part in reversed(parts) if part.tail is not None), None)
    if head.sequence is None:
        problems.append(
            Problem(Kind.HEAD, head.newest, detail="the record of the chain's end is gone")
        )
    elif head.newest > head.sequence:
        problems.append(
            Problem(
                Kind.HEAD, head.newest, detail=f"the chain's end is recorded as {head.sequence}"
            )
        )
    elif tail is not None and tail.sequence == head.sequence and tail.hash != head.hash:
        problems.append(
            Problem(
                Kind.HEAD, tail.sequence, detail="the last entry's hash is not the recorded one"
            )
        )
    if not head.is_pruning_told:
        problems.append(
            Problem(Kind.PRUNED, 1, head.pruned, detail="removed, and no entry tells of it")
        )
    problems = diagnosing.with_cut_tail(problems, newest=head.newest, recorded=head.sequence)
    return Verdict(
        tenant_id=head.tenant_id,
        entries=sum(part.entries for part in parts),
        sequence=tail.sequence if tail else head.pruned,
        hash=(tail.hash if tail else head.pruned_hash).hex(),
        pruned=head.pruned,
        problems=tuple(sorted(problems, key=lambda problem: problem.sequence)),
        has_more=any(part.has_more for part in parts),
    )
