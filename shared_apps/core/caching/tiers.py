"""For how long things are kept. What has a name here is all there is."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

# Of its time: for so long a value counts as fresh. After that one request computes it again and the
# others are shown what there is.
FRESH_SHARE: Final = 0.8
# Each time is shorter by up to this share, so that what was kept together does not end together.
JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Tier:
    name: str
    seconds: int | None
    """After which nothing of it is shown any more; None: until what it was read from changes."""


class Tier(Enum):
    DIMENSIONS = _Tier("dimensions", None)
    """What filters offer: time, places, categories."""
    AGGREGATES = _Tier("aggregates", 24 * 60 * 60)
    """Figures and rankings that are computed ahead."""
    RESULTS = _Tier("results", 60 * 60)
    """What somebody has asked for."""
    REQUESTS = _Tier("requests", 60)
    """Equal requests at about the same time."""
    ENTITIES = _Tier("entities", 300)
    """Single rows."""

    @property
    def label(self) -> str:
        return self.value.name

    @property
    def seconds(self) -> int | None:
        return self.value.seconds
