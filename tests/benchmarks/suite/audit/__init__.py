"""Rows written with and without an audit trail: what recording costs whoever writes."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import conninfo, sql

from scripts.stack.paths import ROOT
from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Scale, Unit
from tests.benchmarks.peers import ensure_peers
from tests.benchmarks.site import Site, site
from tests.benchmarks.suite.audit.contenders import (
    ALL,
    AUDITLOG,
    HISTORY,
    OURS,
    PGHISTORY_STATEMENT,
    UNAUDITED,
    Writer,
)
from tests.benchmarks.workers import Worker, worker


@dataclass(frozen=True, slots=True)
class _Work:
    """`rows` of one sample. `without`: who would take minutes for it."""

    name: str
    method: str
    rows: int
    without: frozenset[str] = frozenset()
    single_rows_first: int = 0


_PLANNED = 10  # rows changed one by one, enough for PostgreSQL to keep a plan that was made for one
_ROW_BY_ROW = frozenset({AUDITLOG.name, HISTORY.name})
_WORK = (
    _Work("save() of a new row", "create", 50),
    _Work("save() of a changed row", "update", 50),
    _Work("save() of a new row in a transaction of 50", "create_in_transaction", 50),
    _Work("save() of a changed row in a transaction of 50", "update_in_transaction", 50),
    _Work("bulk_create() of 1,000", "bulk_create", 1_000),
    _Work("update() of 1,000", "update_all", 1_000),
    _Work("update() of 1,000, no index on the column", "update_all_unindexed", 1_000, _ROW_BY_ROW),
    _Work("update() of 10,000", "update_all", 10_000, _ROW_BY_ROW),
    _Work("update() of 1,000 after single rows", "update_all", 1_000, _ROW_BY_ROW, _PLANNED),
    # By statement it would take the peer half a minute for each sample.
    _Work(
        "update() of 10,000 after single rows",
        "update_all",
        10_000,
        _ROW_BY_ROW | {PGHISTORY_STATEMENT.name},
        _PLANNED,
    ),
)
_SAVES = frozenset(work.name for work in _WORK if work.name.startswith("save"))
_INSERTS = frozenset({"bulk_create() of 1,000"})
_UPDATES = frozenset(work.name for work in _WORK if work.method == "update_all")
_QUICK_ROWS = 5


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    with site() as here, ExitStack() as stack:
        processes = {writer: stack.enter_context(_process(here, writer)) for writer in ALL}
        for writer, process in processes.items():
            if writer is not UNAUDITED:  # it works in the installation of OURS
                process.call("install")
        yield [Case(work.name, tuple(_contenders(processes, work, scale))) for work in _WORK]


def _contenders(
    processes: Mapping[Writer, Worker], work: _Work, scale: Scale
) -> Iterator[Contender]:
    rows = work.rows if scale is Scale.FULL else _QUICK_ROWS
    for writer, process in processes.items():
        if writer.name not in work.without:
            yield Contender(
                writer.name,
                writer.part,
                writer.what,
                _measuring(process, work, rows),
                _counting(process, work=work.method, rows=rows),
            )


def _measuring(process: Worker, work: _Work, rows: int) -> Callable[[], float]:
    return lambda: float(
        process.call(
            "measure", work=work.method, rows=rows, single_rows_first=work.single_rows_first
        )
    )


def _counting(process: Worker, **arguments: object) -> Callable[[], Mapping[str, float]]:
    return lambda: {"entries/row": float(process.call("entries_per_row", **arguments))}


@contextmanager
def _process(here: Site, writer: Writer) -> Iterator[Worker]:
    environment = {**here.environment, **writer.environment}
    if writer.apps:
        environment |= _database(here, writer.database)
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ensure_peers())])
    with worker(
        writer.target, name=writer.name, environment=environment, directory=here.directory
    ) as found:
        yield found


def _database(here: Site, name: str) -> Mapping[str, str]:
    """A new one, and how Django reaches it."""
    with psycopg.connect(here.servers.admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    parts = conninfo.conninfo_to_dict(here.servers.admin_url)
    return {
        "PEER_USER": str(parts.get("user", "")),
        "PEER_PASSWORD": str(parts.get("password") or ""),
        "PEER_HOST": str(parts.get("host", "")),
        "PEER_PORT": str(parts.get("port", "")),
    }


BENCHMARK = Benchmark(
    summary="rows written with and without an audit trail",
    unit=Unit("µs a row", higher_is_better=False),
    rounds=20,
    warm_up_rounds=2,
    goals=(
        Goal(OURS.name, against=UNAUDITED.name, at_most=1.2, cases=_SAVES),
        Goal(OURS.name, against=UNAUDITED.name, at_most=1.4, cases=_INSERTS),
        Goal(OURS.name, against=UNAUDITED.name, at_most=3.7, cases=_UPDATES),
    ),
    distributions=("django", "psycopg"),
    cases=cases,
)
