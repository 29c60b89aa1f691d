"""What counting it adds to a warm request: one exchange with Redis, two windows."""

from functools import partial

from tests.benchmarks.benchmark import Benchmark, Goal, Unit
from tests.benchmarks.suite.request import difference
from tests.benchmarks.suite.request.contenders import UNLIMITED, WHOLE

_ADDED = "added by the limits"

BENCHMARK = Benchmark(
    summary="what the rate limits add to a warm request",
    unit=Unit("ms", higher_is_better=False),
    rounds=20,
    warm_up_rounds=3,
    goals=(
        Goal(_ADDED, at_most=0.5),
        Goal(_ADDED, counted=difference.ROUND_TRIPS, at_most=0.0),
    ),
    distributions=("django", "djangorestframework", "djangorestframework-simplejwt", "psycopg"),
    cases=partial(difference.cases, without=UNLIMITED, whole=WHOLE, added=_ADDED),
)
