"""List 50 rows through the REST framework: plain Django, django-tenants, ours.

All read the same rows of the same tables of one server, through the same views, serializers,
paginator, renderer and sign-in; only the tenant machinery differs (settings/). docs/benchmarks.md
says more.
"""

from functools import partial

from tests.benchmarks.benchmark import Benchmark, Goal, Unit
from tests.benchmarks.suite.request.cases import cases
from tests.benchmarks.suite.request.contenders import CONTENDERS, OURS, PLAIN

BENCHMARK = Benchmark(
    summary="list of 50 rows through the REST framework",
    unit=Unit("requests/s", higher_is_better=True),
    rounds=60,
    warm_up_rounds=3,
    goals=(
        Goal(OURS.name, against=PLAIN.name, at_least=0.97),
        Goal(OURS.name, against=PLAIN.name, counted="round trips", at_most=1.0),
    ),
    distributions=("django", "djangorestframework", "django-tenants", "psycopg"),
    cases=partial(cases, contenders=CONTENDERS),
)
