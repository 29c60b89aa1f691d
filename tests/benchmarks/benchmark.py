"""What a benchmark is made of."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum, StrEnum


class Part(StrEnum):
    """What a contender is there for."""

    FLOOR = "floor"
    """The least that the work can cost: what ours is compared with."""
    PEER = "peer"
    """What people use today. Several are one peer in several settings; the best one counts."""
    OURS = "ours"
    INFORMATION = "information"
    """Shown beside the others, compared with the floor, and part of no goal."""


class Scale(Enum):
    """How much work there is."""

    FULL = "full"
    QUICK = "quick"
    """As little as shows that everything works; the figures mean nothing."""


@dataclass(frozen=True, slots=True)
class Unit:
    name: str
    higher_is_better: bool

    def best(self, values: Mapping[str, float]) -> str:
        """The name that has the best of the values."""
        choose = max if self.higher_is_better else min
        return choose(values, key=lambda name: values[name])


def _nothing_to_count() -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Contender:
    """`measure` gives one sample in the benchmark's unit; `count` gives what no clock decides."""

    name: str
    part: Part
    what: str
    measure: Callable[[], float]
    count: Callable[[], Mapping[str, float]] = _nothing_to_count


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of work. Contenders are compared within it; the first one of part FLOOR is the floor."""

    name: str
    contenders: tuple[Contender, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a contender in every case that has it, or in the cases named.

    Of its samples, or of what it counts under the name `counted`; as a ratio to the contender
    `against`, or by itself.
    """

    contender: str
    against: str | None = None
    counted: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    cases: frozenset[str] | None = None

    def is_met_by(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    @property
    def text(self) -> str:
        subject = self.contender if self.counted is None else f"{self.counted} of {self.contender}"
        against = "" if self.against is None else f" / {self.against}"
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">=", self.at_least), ("<=", self.at_most))
            if bound is not None
        ]
        return f"{subject}{against} {' and '.join(bounds)}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """`cases` sets up what the contenders need and takes it down again."""

    summary: str
    unit: Unit
    rounds: int
    warm_up_rounds: int
    goals: tuple[Goal, ...]
    distributions: tuple[str, ...]
    """Python packages whose versions belong to the result."""
    cases: Callable[[Scale], AbstractContextManager[Sequence[Case]]]
