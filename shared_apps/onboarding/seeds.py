"""Filling a new tenant, once per flag, with what the tenants' apps offer for it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from uuid import UUID

from django.conf import settings
from django.db import transaction

from shared_apps.core import context
from shared_apps.onboarding.choices import SetupFlag
from shared_apps.onboarding.models import TenantSetup
from shared_apps.tenants.models import Tenant

Seed = Callable[..., None]


def seed_tenant(
    *, tenant_id: UUID, flags: Iterable[SetupFlag], created_by: UUID, at: datetime
) -> None:
    """Each flag with its record in one transaction: planted once, whole or not at all."""
    for flag in flags:
        with context.operator(), transaction.atomic():
            # Two at once: the second waits here, and then finds the record.
            tenant = Tenant.objects.select_for_update().get(id=tenant_id)
            if TenantSetup.objects.filter(tenant=tenant, flag=flag).exists():
                continue
            with context.tenant(tenant.identity):
                for seed in _seeds_for(flag):
                    seed(created_by=created_by, at=at)
            TenantSetup(tenant=tenant, flag=flag, set_at=at).save(force_insert=True)


def _seeds_for(flag: SetupFlag) -> list[Seed]:
    """Those of tenants' apps, which shared apps may not import: named, as settings name classes."""
    found: list[Seed] = []
    for app in settings.TENANT_APPS:
        if find_spec(f"{app}.seeds") is not None:
            seeds = import_module(f"{app}.seeds").SEEDS
            found += [seeds[flag]] if flag in seeds else []
    return found
