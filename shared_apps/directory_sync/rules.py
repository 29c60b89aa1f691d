"""What a tenant's declaration says of its synchronisation: `sync` under the options of `auth`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, Self

from shared_apps.authn.backends.base import Configuration
from shared_apps.directory_sync.choices import Danger, Schedule, Strategy

_FEW: Final = 5


@dataclass(frozen=True)
class Ceilings:
    """What may be applied without a person."""

    max_changes: int
    max_deactivations: int


@dataclass(frozen=True)
class Rules:
    schedule: Schedule | None = None
    """How often a preview is made that nobody asks for."""
    automatic: Ceilings | None = None
    needs_four_eyes: bool = False
    max_deactivation_percent: int = 10
    lifetime: timedelta = timedelta(hours=24)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        return cls.of_options(configuration.options)

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Self:
        told = options.get("sync", {})
        return cls(
            schedule=Schedule(told["schedule"]) if "schedule" in told else None,
            automatic=Ceilings(**told["auto_apply"]) if "auto_apply" in told else None,
            needs_four_eyes=told.get("four_eyes", False),
            max_deactivation_percent=told.get("max_deactivation_percent", 10),
            lifetime=timedelta(hours=told.get("expire_hours", 24)),
            strategies={
                name: Strategy(value) for name, value in told.get("strategies", {}).items()
            },
        )

    @property
    def needs_everybody(self) -> bool:
        """Where the directory counts in any case, what was changed here is a difference too."""
        return Strategy.OVERWRITE in self.strategies.values()

    def dangers(self, *, listed: int | None, active: int, deactivated: int) -> list[Danger]:
        """A filter with a typing error looks like many people who have left.

        `listed` is None where the directory was asked for changes only.
        """
        found = []
        if listed == 0:
            found.append(Danger.EMPTY_SOURCE)
        too_many = deactivated * 100 > active * self.max_deactivation_percent
        if deactivated and ((deactivated >= _FEW and too_many) or deactivated >= active):
            found.append(Danger.TOO_MANY_DEACTIVATIONS)
        return found
