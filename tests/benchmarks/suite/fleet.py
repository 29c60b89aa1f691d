"""Three migrations (column, index, data) for every tenant: by the engine, django-tenants, bare SQL.

In milliseconds for each tenant, because the peer has fewer: it would take minutes at ours. What it does
grows faster than the number of tenants, so its figure is to its favour.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.tenants import numbers, project
from tests.benchmarks.tenants.setting_up import Place, place
from tests.benchmarks.workers import Worker


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    count = numbers.of(scale)
    with (
        place() as here,
        here.worker("ours:Ours", "ours") as ours,
        here.worker("peer:Peer", "peer") as peer,
    ):
        ours.call("install", tenants=count.ours)
        peer.call("install", tenants=count.peer)
        project.release(here.directory)
        yield [_case(here, ours, peer, count)]


def _case(here: Place, ours: Worker, peer: Worker, count: numbers.Tenants) -> Case:
    def each(number: int, work: Callable[[], float], undo: Worker) -> Callable[[], float]:
        def sample() -> float:
            taken = work()
            undo.call("undo_release")
            return taken * 1000 / number

        return sample

    schemas = count.peer + 1  # and its schema `base`
    migrate = ["migrate_schemas", "--tenant", "-v0"]
    return Case(
        f"{count.ours} tenants, the peer {schemas}",
        (
            Contender(
                "bare SQL",
                Part.FLOOR,
                "the same statements, a message for each tenant, one warm connection",
                each(count.ours, lambda: ours.call("migrate_barely"), ours),
            ),
            Contender(
                "django-tenants",
                Part.PEER,
                "migrate_schemas, one process",
                each(schemas, lambda: here.run("peer", migrate), peer),
            ),
            Contender(
                "django-tenants, 2 processes",
                Part.PEER,
                "its multiprocessing executor",
                each(
                    schemas,
                    lambda: here.run("peer", [*migrate, "--executor", "multiprocessing"]),
                    peer,
                ),
            ),
            Contender(
                "ours",
                Part.OURS,
                "fleet migrate, a whole process with its start",
                each(count.ours, lambda: here.run("ours", ["fleet", "-v0", "migrate"]), ours),
            ),
            Contender(
                "ours, 2 connections",
                Part.INFORMATION,
                "--jobs 2 instead of 4",
                each(
                    count.ours,
                    lambda: here.run("ours", ["fleet", "-v0", "migrate", "--jobs", "2"]),
                    ours,
                ),
            ),
        ),
    )


BENCHMARK = Benchmark(
    summary="column, index and data migration for each tenant of 40 tables",
    unit=Unit("ms per tenant", higher_is_better=False),
    rounds=3,
    warm_up_rounds=0,
    goals=(
        Goal("ours", against="bare SQL", at_most=2.5),
        Goal("ours", against="django-tenants", at_most=0.02),
    ),
    distributions=("django", "django-tenants", "psycopg"),
    cases=cases,
)
