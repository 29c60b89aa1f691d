"""Entries on their way from the outboxes into the audit database, and the proof of what arrived."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.site import site
from tests.benchmarks.suite.audit.contenders import OURS
from tests.benchmarks.workers import Worker, worker

_TENANTS = {Scale.FULL: 50, Scale.QUICK: 2}


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    tenants = _TENANTS[scale]
    rows = int(os.environ.get("BENCH_ROWS", "20000")) if scale is Scale.FULL else 20
    entries = int(os.environ.get("BENCH_ENTRIES", "200000")) if scale is Scale.FULL else 20
    with (
        site() as here,
        worker(
            f"{__name__}.moving:Moving",
            name="ours",
            environment={**here.environment, **OURS.environment},
            directory=here.directory,
        ) as process,
    ):
        process.call("install", tenants=tenants, entries=entries)
        yield [
            Case(f"relay, {rows} rows of one tenant", _relaying(process, 1, rows)),
            Case(
                f"relay, {rows} rows of {tenants} tenants",
                _relaying(process, tenants, rows // tenants),
            ),
            Case(
                f"verify, {entries} entries of one tenant",
                (
                    Contender(
                        "read and hash",
                        Part.FLOOR,
                        "COPY of the entries to a process that hashes the whole stream once",
                        _calling(process, "read_barely"),
                    ),
                    Contender(
                        "verify",
                        Part.OURS,
                        "audit verify: every hash, over as many processes as it takes by default",
                        _calling(process, "verify"),
                    ),
                ),
            ),
        ]


def _relaying(process: Worker, tenants: int, rows: int) -> tuple[Contender, ...]:
    return (
        Contender(
            "bare copy",
            Part.FLOOR,
            "COPY of what DELETE returns into one table: no diff, no chain, no index, not exactly once",
            _calling(process, "copy_barely", tenants=tenants, rows=rows),
        ),
        Contender(
            "relay",
            Part.OURS,
            "audit relay --once: diff, hash chain, exactly once",
            _calling(process, "relay", tenants=tenants, rows=rows),
        ),
    )


def _calling(process: Worker, method: str, **arguments: int) -> Callable[[], float]:
    return lambda: float(process.call(method, **arguments))


BENCHMARK = Benchmark(
    summary="entries moved into the audit database, and verified there",
    unit=Unit("rows/s", higher_is_better=True),
    rounds=10,
    warm_up_rounds=1,
    goals=(Goal("relay", at_least=15_000), Goal("verify", at_least=100_000)),
    distributions=("django", "psycopg"),
    cases=cases,
)
