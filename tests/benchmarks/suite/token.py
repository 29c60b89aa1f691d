"""What the check of an access token adds to a warm request: signature, session, tenant and role.

By processor time of the application's thread, because the difference of two times by the clock drowns in whatever
else the machine does; and in round trips to PostgreSQL, whose part is not in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.suite.request.cases import cases as requests
from tests.benchmarks.suite.request.contenders import CONTENDERS, OURS

_WHOLE = next(contender for contender in CONTENDERS if contender.signs_in)
_ADDED = "added by the token"
_ROUND_TRIPS = "round trips"


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    with requests(scale, contenders=(OURS, _WHOLE), by_processor=True) as listings:
        # Beside flat rows the difference is a good part of the whole.
        yield [_case(listing) for listing in listings if "vendors" in listing.name]


def _case(listing: Case) -> Case:
    without, whole = listing.contenders
    return Case(
        listing.name,
        (
            Contender(
                "without",
                Part.FLOOR,
                "a token that is compared with a word",
                _milliseconds(without),
                without.count,
            ),
            Contender(
                "with",
                Part.INFORMATION,
                "the whole endpoint",
                _milliseconds(whole),
                whole.count,
            ),
            Contender(
                _ADDED,
                Part.OURS,
                "the difference of two batches, one right after the other",
                lambda: _milliseconds(whole)() - _milliseconds(without)(),
                partial(_added, without, whole),
            ),
        ),
    )


def _milliseconds(contender: Contender) -> Callable[[], float]:
    return lambda: 1000 / contender.measure()


def _added(without: Contender, whole: Contender) -> Mapping[str, float]:
    before = without.count()
    return {name: count - before[name] for name, count in whole.count().items()}


BENCHMARK = Benchmark(
    summary="what the check of an access token adds to a warm request",
    unit=Unit("ms", higher_is_better=False),
    rounds=20,
    warm_up_rounds=3,
    goals=(
        Goal(_ADDED, at_most=0.5),
        Goal(_ADDED, counted=_ROUND_TRIPS, at_most=1.0),
    ),
    distributions=("django", "djangorestframework", "djangorestframework-simplejwt", "psycopg"),
    cases=cases,
)
