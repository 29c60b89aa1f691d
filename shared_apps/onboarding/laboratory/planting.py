"""Marker rows: planted by each app through its own services, found again by the catalogue.

An app of tenants has a module `markers` with

    def plant(*, marker: str, person: UUID, at: datetime) -> None

that makes at least one row of every model of the app, with `marker` in a text where the model has one.
It runs in the tenant's context. The laboratory refuses to start when a model has no row: what was not
planted cannot be seen to leak.
"""

from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connection, models
from django.utils.module_loading import module_has_submodule

from shared_apps.core import context
from shared_apps.core.errors import InvalidError
from shared_apps.onboarding.laboratory.subjects import Subject

MODULE = "markers"


class NothingPlantedError(InvalidError):
    code = "onboarding.nothing_planted"
    message = "A model has no marker row, so nobody would notice if it leaked."


def tenant_models() -> list[type[models.Model]]:
    return [
        model
        for app in _apps(settings.TENANT_APPS)
        for model in app.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and app.name not in settings.SHARED_APPS
    ]


def shared_models_of_tenants() -> list[tuple[type[models.Model], str]]:
    """Shared models with a key into the tenants, and that key's attribute."""
    found = []
    for app in _apps(settings.SHARED_APPS):
        for model in app.get_models(include_auto_created=True):
            for field in model._meta.concrete_fields:
                if field.related_model is apps.get_model(settings.TENANT_MODEL):
                    found.append((model, field.attname))
    return found


def plant(subject: Subject, *, at: datetime) -> None:
    """Have each app plant its rows, and note the keys of all rows of the tenant.

    Raises:
        NothingPlantedError: an app has no `markers` module, or a model has no row.
    """
    with context.tenant(subject.identity):
        for app in _apps(settings.TENANT_APPS):
            if module_has_submodule(app.module, MODULE):
                module: Any = import_module(f"{app.name}.{MODULE}")
                module.plant(marker=subject.marker, person=subject.administrator.id, at=at)
        for model in tenant_models():
            ids = list(model._default_manager.values_list("pk", flat=True))
            if not ids:
                raise NothingPlantedError(
                    model=model._meta.label,
                    remedy=f"make a row of it in {model.__module__.rsplit('.', 1)[0]}.{MODULE}",
                )
            _note(subject, model, ids)
    with context.operator():
        _note_shared(subject)


def fingerprint(subject: Subject) -> dict[str, str]:
    """Table → a digest of all rows of the tenant, to see whether anything was changed."""
    digests: dict[str, str] = {}
    with context.tenant(subject.identity), connection.cursor() as cursor:
        for model in tenant_models():
            table = connection.ops.quote_name(model._meta.db_table)
            cursor.execute(
                f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t"  # noqa: S608 (a quoted identifier)
            )
            digests[model._meta.db_table] = cursor.fetchone()[0]
    return digests


def _note(subject: Subject, model: type[models.Model], ids: list[Any]) -> None:
    # Small numbers are in every answer; only keys that cannot be there by chance are evidence.
    subject.ids[model._meta.db_table] = [id_ for id_ in ids if isinstance(id_, UUID)]


def _note_shared(subject: Subject) -> None:
    for model, attribute in shared_models_of_tenants():
        rows = model._default_manager.filter(**{attribute: subject.identity.id})
        _note(subject, model, list(rows.values_list("pk", flat=True)))
    subject.ids["accounts_user"] = [subject.administrator.id]
    subject.ids["tenants_tenant"] = [subject.identity.id]


def _apps(names: list[str]) -> list[AppConfig]:
    return [app for app in apps.get_app_configs() if app.name in names]
