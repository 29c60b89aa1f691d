"""System checks of what models declare about the trail."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, Warning
from django.db import models

from shared_apps.audit.capture import MAX_KEY_COLUMNS
from shared_apps.audit.models import Auditable, AuditPolicy


def check_declarations(
    *, app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    for config in app_configs or apps.get_app_configs():
        for model in config.get_models():
            if issubclass(model, Auditable) and not model._meta.proxy:
                found += [*_table(model), *_policy(model), *_relations(model)]
    return found


def _table(model: type[Auditable]) -> Iterator[CheckMessage]:
    if not model._meta.managed:
        yield Error(
            "An Auditable model has a table that migrations do not manage.",
            hint="Its triggers would not be made. Set managed, or do not inherit Auditable.",
            obj=model,
            id="audit.E001",
        )
    if len(model._meta.pk_fields) > MAX_KEY_COLUMNS:
        yield Error(
            f"The primary key of an Auditable model has more than {MAX_KEY_COLUMNS} columns.",
            hint="Give it a key of its own and a unique constraint.",
            obj=model,
            id="audit.E002",
        )


def _policy(model: type[Auditable]) -> Iterator[CheckMessage]:
    policy = cast("object", model.audit)
    if not isinstance(policy, AuditPolicy):
        yield Error("`audit` is no AuditPolicy.", obj=model, id="audit.E003")
        return
    known = {field.name for field in model._meta.concrete_fields}
    keys = {field.name for field in model._meta.pk_fields}
    named = [*policy.exclude, *policy.redact]
    for name in dict.fromkeys(named):
        if name not in known:
            yield Error(
                f"AuditPolicy names {name!r}, which is no field with a column.",
                hint="Its values would be recorded under the name that they do have.",
                obj=model,
                id="audit.E004",
            )
        elif name in keys:
            yield Error(
                f"AuditPolicy names {name!r}, a part of the primary key.",
                hint="An entry has to say of which record it is.",
                obj=model,
                id="audit.E005",
            )
        elif named.count(name) > 1:
            yield Error(f"AuditPolicy names {name!r} twice.", obj=model, id="audit.E006")


def _relations(model: type[Auditable]) -> Iterator[CheckMessage]:
    for field in model._meta.local_many_to_many:
        through = cast("type[models.Model]", field.remote_field.through)
        if not through._meta.auto_created and not issubclass(through, Auditable):
            yield Warning(
                f"Changes of {field.name!r} are not recorded: {through._meta.label} is not Auditable.",
                obj=model,
                id="audit.W001",
            )
