"""What a new tenant may be filled with (onboarding/seeds.py)."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared_apps.onboarding.choices import SetupFlag
from tenant_apps.invoicing.demo import seed_demo_data

# The demo's documents are last year's, so that this year's numbers start at 1 for whoever tries it.
_AGE = timedelta(days=366)


def _seed_demo_data(*, created_by: UUID, at: datetime) -> None:
    seed_demo_data(created_by=created_by, at=at - _AGE)


SEEDS: Final[Mapping[SetupFlag, Callable[..., None]]] = {SetupFlag.DEV_DEMO_DATA: _seed_demo_data}
