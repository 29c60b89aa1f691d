"""One tenant among many, exported and dropped: by the product, by PostgreSQL's tools, bare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.tenants import numbers
from tests.benchmarks.tenants.setting_up import Place, place
from tests.benchmarks.workers import Worker

_SLUG = "bench-0001"
_SCHEMA = "t_bench_0001"
_ROWS = 1000


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    count = numbers.of(scale)
    with (
        place() as here,
        here.worker("ours:Ours", "ours") as ours,
        here.worker("peer:Peer", "peer") as peer,
    ):
        ours.call("install", tenants=count.ours)
        ours.call("fill", slug=_SLUG, rows=_ROWS)
        peer.call("install", tenants=count.peer)
        yield [_export(here, ours, count), _drop(ours, peer, count)]


def _export(here: Place, ours: Worker, count: numbers.Tenants) -> Case:
    path = here.site.directory / "tenant"
    return Case(
        f"export one with {_ROWS} rows among {count.ours}",
        (
            Contender(
                "COPY",
                Part.FLOOR,
                "each of its 42 tables by name into one packed file, warm connection",
                lambda: ours.call("export_barely", slug=_SLUG, path=str(path)),
            ),
            Contender("pg_dump -n", Part.PEER, "a whole process", lambda: here.dump(_SCHEMA, path)),
            Contender(
                "export",
                Part.OURS,
                "export_tenant: rows, people, files and trail, read back and proven",
                lambda: ours.call("export", slug=_SLUG, path=str(path)),
            ),
        ),
    )


def _drop(ours: Worker, peer: Worker, count: numbers.Tenants) -> Case:
    return Case(
        f"drop one among {count.ours}, the peer {count.peer + 1}",
        (
            Contender(
                "DROP SCHEMA CASCADE",
                Part.FLOOR,
                "one statement, warm connection",
                lambda: ours.call("drop_barely"),
            ),
            Contender(
                "django-tenants",
                Part.PEER,
                "delete(force_drop=True)",
                lambda: peer.call("drop"),
            ),
            Contender(
                "drop",
                Part.OURS,
                "schema, role and ledger, in transactions of twenty tables",
                lambda: ours.call("drop"),
            ),
            Contender(
                "purge",
                Part.INFORMATION,
                "all of `tenant delete` when its time has come: trail, schema, role, files, cache, rows",
                lambda: ours.call("purge"),
            ),
        ),
    )


BENCHMARK = Benchmark(
    summary="one tenant among many, exported and dropped",
    unit=Unit("s", higher_is_better=False),
    rounds=10,
    warm_up_rounds=1,
    goals=(Goal("export", at_most=2.0), Goal("drop", at_most=0.2)),
    distributions=("django", "django-tenants", "psycopg"),
    cases=cases,
)
