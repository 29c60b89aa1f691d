"""Make a tenant's schema of 40 tables, ready to use: from the template, by django-tenants, bare."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.tenants.setting_up import place


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    with (
        place() as here,
        here.worker("ours:Ours", "ours") as ours,
        here.worker("peer:Peer", "peer") as peer,
        here.worker("peer:Peer", "peer_clone") as cloning,
    ):
        tenants = 20 if scale is Scale.FULL else 1
        ours.call("install", tenants=tenants)
        peer.call("install", tenants=0)
        cloning.call("install", tenants=tenants)
        yield [
            Case(
                f"beside {tenants} tenants",
                (
                    Contender(
                        "bare SQL",
                        Part.FLOOR,
                        "the template's script in one message, no role",
                        lambda: ours.call("create_barely"),
                    ),
                    Contender(
                        "django-tenants",
                        Part.PEER,
                        "save(): its migrations",
                        lambda: peer.call("create"),
                    ),
                    Contender(
                        "django-tenants, cloned",
                        Part.PEER,
                        "save() with TENANT_BASE_SCHEMA",
                        lambda: cloning.call("create"),
                    ),
                    Contender(
                        "ours",
                        Part.OURS,
                        "role, schema, rights, triggers and ledger",
                        lambda: ours.call("create"),
                    ),
                    Contender(
                        "ours, from the pool",
                        Part.OURS,
                        "a spare schema, renamed; the same in the end",
                        lambda: ours.call("claim"),
                    ),
                ),
            )
        ]


BENCHMARK = Benchmark(
    summary="a tenant's schema of 40 tables, ready to use",
    unit=Unit("s", higher_is_better=False),
    rounds=15,
    warm_up_rounds=2,
    goals=(
        Goal("ours", against="bare SQL", at_most=1.3),
        Goal("ours", against="django-tenants", at_most=round(1 / 15, 4)),
        Goal("ours, from the pool", at_most=0.01),
    ),
    distributions=("django", "django-tenants", "psycopg"),
    cases=cases,
)
