"""What an installation of BENCH_TENANTS tenants costs: the product's own tables, made by `tenant apply`.

Nothing is compared; docs/scaling.md has the table that this makes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Part, Scale, Unit
from tests.benchmarks.site import Site, site
from tests.benchmarks.tenants import numbers
from tests.benchmarks.workers import Worker, worker

_OPERATING = "operations:Operations"
_TOUCHING = "touching:Touching"
_LIMIT = "DATABASE_TENANTS_PER_CONNECTION"
_OPERATIONS = {
    "connect": "a new connection and a tenant's first statement",
    "first_touch": "a page of invoices of a tenant that the server process has not met",
    "warm_touch": "the same again",
    "create": "tenant create: all steps",
    "export": "tenant export of an empty tenant, proven",
    "clone": "tenant clone of an empty tenant",
    "delete": "tenant purge: schema, role, rows, files",
    "migrate_nothing": "fleet migrate with nothing to do, without the start of Django",
    "drift": "fleet drift: every tenant's catalogue",
    "wall": "the doctor's check of the wall",
    "sweep": "the relay's look into all outboxes, nothing there",
    "portfolio": "a page of invoices of a person who was granted all tenants",
    "dump_one": "pg_dump -n of one tenant",
    "dump_all": "pg_dump of the whole database",
    "vacuum": "VACUUM (ANALYZE) of the whole database",
}


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    count = numbers.of(scale).ours
    with (
        site() as here,
        _worker(here, _OPERATING, "at work", {}) as at_work,
        _worker(here, _TOUCHING, "without a limit", {_LIMIT: "0"}) as unlimited,
        _worker(here, _TOUCHING, "as by default", {}) as limited,
    ):
        seconds = at_work.call("install", tenants=count)
        yield [
            Case(f"{count} tenants, made in {seconds:.0f} s", tuple(_operations(at_work))),
            Case(
                "one connection, every table of every tenant read",
                (
                    _touching(unlimited, f"{_LIMIT}=0"),
                    _touching(limited, "as by default"),
                ),
            ),
            Case(
                "the database",
                (
                    Contender(
                        "ANALYZE of the catalogue",
                        Part.INFORMATION,
                        "as autovacuum does it",
                        _calling(at_work, "analyze_catalogue"),
                        _counting(at_work, "facts"),
                    ),
                ),
            ),
        ]


def _operations(at_work: Worker) -> Iterator[Contender]:
    for name, what in _OPERATIONS.items():
        yield Contender(
            name.replace("_", " "),
            Part.INFORMATION,
            what,
            _calling(at_work, "seconds_of", name=name),
            _counting(at_work, "locks_of", name=name),
        )


def _touching(worker: Worker, name: str) -> Contender:
    return Contender(
        name,
        Part.INFORMATION,
        "the largest server process, and how many there were",
        _calling(worker, "touch_all"),
        _counting(worker, "memory"),
    )


def _calling(worker: Worker, method: str, **arguments: str) -> Callable[[], float]:
    return lambda: float(worker.call(method, **arguments))


def _counting(worker: Worker, method: str, **arguments: str) -> Callable[[], Mapping[str, float]]:
    def count() -> Mapping[str, float]:
        found: Mapping[str, float] = worker.call(method, **arguments)
        return found

    return count


@contextmanager
def _worker(here: Site, target: str, name: str, also: Mapping[str, str]) -> Iterator[Worker]:
    environment = {**here.environment, **also, "FILES_ROOT": str(here.directory / "files")}
    with worker(
        f"{__name__}.{target}", name=name, environment=environment, directory=here.directory
    ) as found:
        yield found


BENCHMARK = Benchmark(
    summary="what an installation costs by its number of tenants",
    unit=Unit("s", higher_is_better=False),
    rounds=3,
    warm_up_rounds=1,
    goals=(),
    distributions=("django", "psycopg"),
    cases=cases,
)
