"""What the check of an access token adds to a warm request: signature, session, tenant and role."""

from functools import partial

from tests.benchmarks.benchmark import Benchmark, Goal, Unit
from tests.benchmarks.suite.request import difference
from tests.benchmarks.suite.request.contenders import OURS, UNLIMITED

_ADDED = "added by the token"

BENCHMARK = Benchmark(
    summary="what the check of an access token adds to a warm request",
    unit=Unit("ms", higher_is_better=False),
    rounds=20,
    warm_up_rounds=3,
    goals=(
        Goal(_ADDED, at_most=0.5),
        Goal(_ADDED, counted=difference.ROUND_TRIPS, at_most=1.0),
    ),
    distributions=("django", "djangorestframework", "djangorestframework-simplejwt", "psycopg"),
    cases=partial(difference.cases, without=OURS, whole=UNLIMITED, added=_ADDED),
)
