"""Declarations in files, and the command that applies them; what a test made is removed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.installation import Installation
    from tests.integration.shared_apps.onboarding.console import Console


@pytest.fixture
def made(system: "Installation") -> Iterator[None]:
    """Tenants beside acme and globex are dropped afterwards, and those two are as they were."""
    from shared_apps.core import attribution, context
    from shared_apps.onboarding import schemas
    from shared_apps.tenants import routing
    from shared_apps.tenants.models import Tenant

    kept = [tenant.id for tenant in system.tenants.values()]
    with context.operator():
        rows = list(Tenant.objects.filter(id__in=kept).values())
    yield
    with context.operator(), attribution.acting(attribution.command("test")):
        for tenant in Tenant.objects.exclude(id__in=kept):
            schemas.drop_schema(tenant.identity)
            Tenant.objects.filter(id=tenant.id).delete()
        for row in rows:
            Tenant.objects.filter(id=row["id"]).update(**row)
    routing.announce_change()


@pytest.fixture
def console(made: None, tmp_path: Path) -> "Console":
    from tests.integration.shared_apps.onboarding.console import Console

    return Console(tmp_path / "tenants.yaml")
