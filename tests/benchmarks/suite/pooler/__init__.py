"""The request of `request` over the other ways to PostgreSQL: a psycopg pool, PgBouncer.

PgBouncer shares one server connection between transactions. docs/benchmarks.md says more.
"""

from functools import partial

from tests.benchmarks.benchmark import Benchmark, Goal, Unit
from tests.benchmarks.suite.pooler.contenders import (
    BEHIND_POOLER,
    CONTENDERS,
    PLAIN_BEHIND_POOLER,
    POOLED,
)
from tests.benchmarks.suite.pooler.interleaved import interleaved
from tests.benchmarks.suite.request.cases import cases
from tests.benchmarks.suite.request.contenders import PLAIN

BENCHMARK = Benchmark(
    summary="the same list over a psycopg pool and behind PgBouncer; foreign rows there",
    unit=Unit("requests/s", higher_is_better=True),
    rounds=60,
    warm_up_rounds=3,
    goals=(
        Goal(POOLED.name, against=PLAIN.name, at_least=0.97),
        Goal(BEHIND_POOLER.name, against=PLAIN_BEHIND_POOLER.name, at_least=0.93),
        Goal(BEHIND_POOLER.name, counted="foreign answers", at_most=0),
        Goal(BEHIND_POOLER.name, counted="failed answers", at_most=0),
    ),
    distributions=("django", "djangorestframework", "django-tenants", "psycopg", "psycopg-pool"),
    cases=partial(cases, contenders=CONTENDERS, counting=interleaved),
)
