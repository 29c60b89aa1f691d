"""Tenants that a test makes beside acme and globex."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shared_apps.core import attribution, context
from shared_apps.onboarding import schemas
from shared_apps.onboarding.models import Run
from shared_apps.tenants import routing
from shared_apps.tenants.models import Tenant
from tests.installation import Installation
from tests.spares import emptied_afterwards, fill

# Everything about making tenants has to be the same from the pool: FREEHOLD_TEST_SPARES=3.
SPARES = int(os.environ.get("FREEHOLD_TEST_SPARES", "0"))


@contextmanager
def removed_afterwards(system: Installation) -> Iterator[None]:
    """They are dropped, and acme's and globex' rows are as they were."""
    kept = [tenant.id for tenant in system.tenants.values()]
    with context.operator():
        rows = list(Tenant.objects.filter(id__in=kept).values())
        Run.objects.all().delete()
    if SPARES:
        fill(SPARES)
    with emptied_afterwards():
        yield
    with context.operator(), attribution.acting(attribution.command("test")):
        for tenant in Tenant.objects.exclude(id__in=kept):
            schemas.drop_schema(tenant.identity)
            Tenant.objects.filter(id=tenant.id).delete()
        for row in rows:
            Tenant.objects.filter(id=row["id"]).update(**row)
    routing.announce_change()
