"""What a tenant's declaration says of its synchronisation: `sync` under the options of `auth`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Self

from shared_apps.authn.backends.base import Configuration
from shared_apps.directory_sync.choices import Danger, Strategy

_FEW: Final = 5


@dataclass(frozen=True)
class Rules:
    is_nightly: bool = False
    needs_four_eyes: bool = False
    max_deactivation_percent: int = 10
    lifetime: timedelta = timedelta(hours=24)
    strategies: Mapping[str, Strategy] = field(default_factory=dict)

    @classmethod
    def of(cls, configuration: Configuration) -> Self:
        told = configuration.options.get("sync", {})
        return cls(
            is_nightly=told.get("schedule") == "nightly",
            needs_four_eyes=told.get("four_eyes", False),
            max_deactivation_percent=told.get("max_deactivation_percent", 10),
            lifetime=timedelta(hours=told.get("expire_hours", 24)),
            strategies={
                name: Strategy(value) for name, value in told.get("strategies", {}).items()
            },
        )

    def dangers(self, *, listed: int, active: int, deactivated: int) -> list[Danger]:
        """A filter with a typing error looks like many people who have left."""
        found = []
        if listed == 0:
            found.append(Danger.EMPTY_SOURCE)
        too_many = deactivated * 100 > active * self.max_deactivation_percent
        if deactivated and ((deactivated >= _FEW and too_many) or deactivated >= active):
            found.append(Danger.TOO_MANY_DEACTIVATIONS)
        return found
