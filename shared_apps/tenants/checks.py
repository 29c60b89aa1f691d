"""System checks: of the models of tenant apps, and with `--database default` of the way to PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import psycopg
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections, models

from shared_apps.core.errors import explain
from shared_apps.tenants.database import probe
from shared_apps.tenants.database.base import DatabaseWrapper
from shared_apps.tenants.ownership import TenantModel, TenantQuerySet


@register(Tags.models)
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


@register(Tags.database)
def check_route(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Whether a tenant's role and path hold on the way to each of these databases."""
    messages: list[CheckMessage] = []
    for alias in databases or ():
        wrapper = connections[alias]
        if not isinstance(wrapper, DatabaseWrapper):
            continue
        try:
            problem = probe.find_problem(wrapper)
        except psycopg.Error as error:
            reason = explain(error)
            messages.append(
                Warning(f"The database {alias} cannot be reached: {reason}", id="tenants.W001")
            )
            continue
        if problem is not None:
            messages.append(Error(problem, obj=alias, id="tenants.E003"))
    return messages
