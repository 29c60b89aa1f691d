"""What every model of a tenant app must be, checked at start-up."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.db import models

from shared_apps.tenants.ownership import TenantModel, TenantQuerySet


def check_tenant_models(
    *, app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    only_tenants = set(settings.TENANT_APPS) - set(settings.SHARED_APPS)
    found: list[CheckMessage] = []
    for config in app_configs or apps.get_app_configs():
        if config.name in only_tenants:
            for model in config.get_models():
                found += _check(model)
    return found


def _check(model: type[models.Model]) -> list[CheckMessage]:
    if not issubclass(model, TenantModel):
        return [
            Error(
                "A model of a tenant app does not inherit TenantModel.",
                hint="Its instances would not know whose they are (tenants/ownership.py).",
                obj=model,
                id="tenants.E001",
            )
        ]
    managers = {*model._meta.managers, model._base_manager}
    return [
        Error(
            f"The manager {manager.name!r} gives querysets that are not bound to a tenant.",
            hint="Name TenantModel first among the bases; derive querysets from TenantQuerySet.",
            obj=model,
            id="tenants.E002",
        )
        for manager in managers
        if not isinstance(manager.get_queryset(), TenantQuerySet)
    ]
