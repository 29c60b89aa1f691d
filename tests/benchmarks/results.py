"""From samples to medians, ratios and goals."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.benchmark import Benchmark, Case, Goal, Part
from tests.benchmarks.interleaving import Measured


@dataclass(frozen=True, slots=True)
class Spread:
    """Half of the samples lie between the quartiles."""

    median: float
    lower_quartile: float
    upper_quartile: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Spread":
        if len(samples) == 1:
            return cls(samples[0], samples[0], samples[0])
        lower, median, upper = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, lower, upper)


@dataclass(frozen=True, slots=True)
class ContenderResult:
    """`to_floor` and `to_peer`: ratios taken within each round, so a slow round does not count."""

    name: str
    part: Part
    what: str
    value: Spread
    to_floor: Spread | None
    to_peer: Spread | None
    counts: Mapping[str, float]
    samples: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class GoalResult:
    goal: str
    measured: float
    is_met: bool


@dataclass(frozen=True, slots=True)
class CaseResult:
    name: str
    floor: str | None
    peer: str | None
    """The best of the peers."""
    contenders: tuple[ContenderResult, ...]
    goals: tuple[GoalResult, ...]


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    name: str
    summary: str
    unit: str
    higher_is_better: bool
    rounds: int
    warm_up_rounds: int
    versions: Mapping[str, str]
    cases: tuple[CaseResult, ...]


def evaluate(measured: Measured, benchmark: Benchmark) -> CaseResult:
    case, samples = measured.case, measured.samples
    floor = next((c.name for c in case.contenders if c.part is Part.FLOOR), None)
    peer = _best_peer(measured, benchmark)
    return CaseResult(
        name=case.name,
        floor=floor,
        peer=peer,
        contenders=tuple(
            ContenderResult(
                name=contender.name,
                part=contender.part,
                what=contender.what,
                value=Spread.of(samples[contender.name]),
                to_floor=_ratio(samples, contender.name, floor),
                to_peer=_ratio(samples, contender.name, peer),
                counts=measured.counts[contender.name],
                samples=samples[contender.name],
            )
            for contender in case.contenders
        ),
        goals=tuple(_goals(measured, benchmark.goals)),
    )


def _best_peer(measured: Measured, benchmark: Benchmark) -> str | None:
    medians = {
        contender.name: statistics.median(measured.samples[contender.name])
        for contender in measured.case.contenders
        if contender.part is Part.PEER
    }
    return benchmark.unit.best(medians) if medians else None


def _ratio(
    samples: Mapping[str, tuple[float, ...]], name: str, reference: str | None
) -> Spread | None:
    if reference is None:
        return None
    pairs = zip(samples[name], samples[reference], strict=True)
    return Spread.of([value / base for value, base in pairs])


def _goals(measured: Measured, goals: Sequence[Goal]) -> Iterator[GoalResult]:
    for goal in goals:
        if not _concerns(goal, measured.case):
            continue
        value = _value(goal, measured)
        yield GoalResult(goal=goal.text, measured=value, is_met=goal.is_met_by(value))


def _concerns(goal: Goal, case: Case) -> bool:
    if goal.cases is not None and case.name not in goal.cases:
        return False
    names = {contender.name for contender in case.contenders}
    return goal.contender in names and (goal.against is None or goal.against in names)


def _value(goal: Goal, measured: Measured) -> float:
    if goal.counted is not None:
        value = measured.counts[goal.contender][goal.counted]
        return (
            value if goal.against is None else value / measured.counts[goal.against][goal.counted]
        )
    ratio = _ratio(measured.samples, goal.contender, goal.against)
    return (ratio or Spread.of(measured.samples[goal.contender])).median
