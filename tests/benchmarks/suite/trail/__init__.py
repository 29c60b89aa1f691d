"""Questions to a long trail: BENCH_ENTRIES entries, half of them of one tenant."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tests.benchmarks.benchmark import Benchmark, Case, Contender, Goal, Part, Scale, Unit
from tests.benchmarks.site import site
from tests.benchmarks.suite.audit.contenders import OURS
from tests.benchmarks.workers import Worker, worker

_RECORD = "entries of one record"
_QUESTIONS = {
    "record": (_RECORD, "the newest 50 of a record that has a hundred"),
    "state": ("state of a record at a moment", "a hundred entries, the moment in their middle"),
    "newest": ("the newest 50 entries of a tenant", "as the list begins"),
    "deep": ("50 entries in the middle of a tenant's", "by keyset, a page like any other"),
    "person": ("the newest 50 entries of one person", "who made one in a thousand"),
    "several": ("the newest 50 of 20 tenants", "as whoever was granted them sees"),
}


@contextmanager
def cases(scale: Scale) -> Iterator[Sequence[Case]]:
    entries = int(os.environ.get("BENCH_ENTRIES", "200000")) if scale is Scale.FULL else 400
    with (
        site() as here,
        worker(
            f"{__name__}.asking:Asking",
            name="ours",
            environment={**here.environment, **OURS.environment},
            directory=here.directory,
        ) as process,
    ):
        process.call("install", entries=entries)
        yield [
            Case(
                f"{name}, among {entries:,}",
                (Contender(name, Part.OURS, what, _calling(process, question)),),
            )
            for question, (name, what) in _QUESTIONS.items()
        ]


def _calling(process: Worker, question: str) -> Callable[[], float]:
    return lambda: float(process.call("ask", question=question))


BENCHMARK = Benchmark(
    summary="questions to a long trail",
    unit=Unit("ms", higher_is_better=False),
    rounds=15,
    warm_up_rounds=2,
    goals=(Goal(_RECORD, at_most=50.0),),
    distributions=("django", "psycopg"),
    cases=cases,
)
