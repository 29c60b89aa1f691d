"""Results as a table for people and as JSON for programs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from tests.benchmarks.machine import Machine
from tests.benchmarks.results import BenchmarkResult, CaseResult, ContenderResult, Spread


def as_json(machine: Machine, results: Sequence[BenchmarkResult]) -> str:
    document = {"machine": asdict(machine), "benchmarks": [asdict(result) for result in results]}
    return json.dumps(document, indent=2)


def as_text(machine: Machine, results: Sequence[BenchmarkResult]) -> str:
    load = machine.load_average[0]
    lines = [
        f"{machine.measured_at}, {machine.cores} cores of {machine.processor} (load {load:.1f}),"
        f" Python {machine.python}, PostgreSQL {machine.postgresql}"
    ]
    for result in results:
        lines += ["", *_benchmark(result)]
    return "\n".join(lines)


def _benchmark(result: BenchmarkResult) -> Iterator[str]:
    direction = "more is better" if result.higher_is_better else "less is better"
    yield f"{result.name}: {result.summary}"
    yield (
        f"{result.unit}, {direction}; medians of {result.rounds} rounds"
        " [quartiles], ratios taken within each round"
    )
    yield ", ".join(f"{name} {version}" for name, version in result.versions.items())
    for case in result.cases:
        yield ""
        yield f"  {case.name}"
        yield from _aligned([_header(case, result.unit), *(_row(c) for c in case.contenders)])
        for goal in case.goals:
            verdict = "met" if goal.is_met else "MISSED"
            yield f"    goal {goal.goal}: {goal.measured:.3f}, {verdict}"
    yield ""
    for contender in {c.name: c for case in result.cases for c in case.contenders}.values():
        yield f"  {contender.name} ({contender.part}): {contender.what}"


def _header(case: CaseResult, unit: str) -> list[str]:
    ratios = [f"/ {name}" for name in (case.floor, case.peer) if name is not None]
    return ["", unit, *ratios, *case.contenders[0].counts]


def _row(contender: ContenderResult) -> list[str]:
    ratios = [r for r in (contender.to_floor, contender.to_peer) if r is not None]
    return [
        contender.name,
        _spread(contender.value, digits=1 if contender.value.median >= 10 else 4),
        *(_spread(ratio, digits=3) for ratio in ratios),
        *(f"{count:g}" for count in contender.counts.values()),
    ]


def _spread(spread: Spread, *, digits: int) -> str:
    low, high = spread.lower_quartile, spread.upper_quartile
    return f"{spread.median:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        yield "    " + "   ".join([first.ljust(widths[0]), *cells]).rstrip()
