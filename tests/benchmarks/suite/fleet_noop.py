"""A run with nothing to do: whole processes, beside the start of Django that each of them contains."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.tenants import numbers
from tests.benchmarks.tenants.setting_up import place

_AFTER = "s after start"
_PEER = ["migrate_schemas", "--tenant", "-v0"]


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
        yield [
            Case(
                f"{count.ours} tenants, the peer {count.peer + 1}",
                (
                    Contender(
                        "start of Django",
                        Part.FLOOR,
                        "manage.py help of the same settings",
                        lambda: here.run("ours", ["help", "fleet"]),
                        lambda: {_AFTER: 0.0},
                    ),
                    Contender(
                        "django-tenants",
                        Part.PEER,
                        "migrate_schemas, one process",
                        lambda: here.run("peer", _PEER),
                        lambda: {
                            _AFTER: here.run("peer", _PEER)
                            - here.run("peer", ["help", "migrate_schemas"])
                        },
                    ),
                    Contender(
                        "ours",
                        Part.OURS,
                        "fleet migrate",
                        lambda: here.run("ours", ["fleet", "-v0", "migrate"]),
                        lambda: {
                            _AFTER: here.run("ours", ["fleet", "-v0", "migrate"])
                            - here.run("ours", ["help", "fleet"])
                        },
                    ),
                ),
            )
        ]


BENCHMARK = Benchmark(
    summary="fleet migrations with nothing to do",
    unit=Unit("s", higher_is_better=False),
    rounds=5,
    warm_up_rounds=1,
    goals=(Goal("ours", counted=_AFTER, at_most=1.0),),
    distributions=("django", "django-tenants", "psycopg"),
    cases=cases,
)
