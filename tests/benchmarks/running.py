"""Run one benchmark from set-up to result."""

from collections.abc import Callable

from tests.benchmarks import machine
from tests.benchmarks.benchmark import Benchmark, Scale
from tests.benchmarks.interleaving import measure
from tests.benchmarks.results import BenchmarkResult, evaluate


def run(
    name: str,
    benchmark: Benchmark,
    *,
    rounds: int,
    scale: Scale,
    progress: Callable[[str], None],
) -> BenchmarkResult:
    warm_up_rounds = benchmark.warm_up_rounds if scale is Scale.FULL else 0
    progress("setting up")
    with benchmark.cases(scale) as cases:
        measured = measure(cases, rounds=rounds, warm_up_rounds=warm_up_rounds, progress=progress)
    return BenchmarkResult(
        name=name,
        summary=benchmark.summary,
        unit=benchmark.unit.name,
        higher_is_better=benchmark.unit.higher_is_better,
        rounds=rounds,
        warm_up_rounds=warm_up_rounds,
        versions=machine.versions(benchmark.distributions),
        cases=tuple(evaluate(case, benchmark) for case in measured),
    )
