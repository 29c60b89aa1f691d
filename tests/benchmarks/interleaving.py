"""Contenders take turns, so that what slows the machine down for a while slows all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from tests.benchmarks.benchmark import Case

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Measured:
    """What the contenders of a case gave, by their names: a sample for each round, and counts."""

    case: Case
    samples: Mapping[str, tuple[float, ...]]
    counts: Mapping[str, Mapping[str, float]]


def measure(
    cases: Sequence[Case], *, rounds: int, warm_up_rounds: int, progress: Callable[[str], None]
) -> list[Measured]:
    """Samples of the rounds after the warm-up; each round begins with another contender."""
    samples: dict[tuple[str, str], list[float]] = {
        (case.name, contender.name): [] for case in cases for contender in case.contenders
    }
    for number in range(warm_up_rounds + rounds):
        counted = number - warm_up_rounds
        progress("warming up" if counted < 0 else f"round {counted + 1} of {rounds}")
        for case in cases:
            for contender in rotated(case.contenders, number):
                value = contender.measure()
                if counted >= 0:
                    samples[case.name, contender.name].append(value)
    return [
        Measured(
            case=case,
            samples={c.name: tuple(samples[case.name, c.name]) for c in case.contenders},
            counts={c.name: c.count() for c in case.contenders},
        )
        for case in cases
    ]


def rotated(items: Sequence[T], by: int) -> Sequence[T]:
    start = by % len(items)
    return [*items[start:], *items[:start]]
