"""What one part of a request adds: two servers, one with it and one without, batch after batch.

By processor time of the application's thread, because the difference of two times by the clock drowns in
whatever else the machine does; and in round trips to PostgreSQL, whose part is not in it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from tests.benchmarks.benchmark import Case, Contender, Part, Scale
from tests.benchmarks.suite.request.cases import cases as requests
from tests.benchmarks.suite.request.contenders import RequestContender

ROUND_TRIPS = "round trips"
"""To PostgreSQL."""


@contextmanager
def cases(
    scale: Scale, *, without: RequestContender, whole: RequestContender, added: str
) -> Iterator[Sequence[Case]]:
    """`added` is what the difference is called."""
    with requests(scale, contenders=(without, whole), by_processor=True) as listings:
        # Beside flat rows the difference is a good part of the whole.
        flat = [listing for listing in listings if "vendors" in listing.name]
        yield [_case(listing, (without, whole), added) for listing in flat]


def _case(listing: Case, compared: tuple[RequestContender, RequestContender], added: str) -> Case:
    without, whole = listing.contenders
    return Case(
        listing.name,
        (
            Contender(
                "without", Part.FLOOR, compared[0].what, _milliseconds(without), without.count
            ),
            Contender(
                "with", Part.INFORMATION, compared[1].what, _milliseconds(whole), whole.count
            ),
            Contender(
                added,
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
