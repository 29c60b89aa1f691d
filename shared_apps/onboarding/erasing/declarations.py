"""Which models say something of people (core/personal.py), and which should and do not."""

import re
from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.db import models

from shared_apps.core.personal import Deleted, Rule, rules_of

_REFERS: Final = re.compile(
    r"(^|_)(e_?mail|user|person|actor|author|owner|assignee)(_id)?$|_by(_id)?$|^on_behalf_of$"
)
_DESCRIBES: Final = re.compile(
    r"(^|_)(ip|ip_address|user_agent|phone|mobile|first_name|last_name|surname|iban|birth\w*)$"
)


def declared(*, shared: bool) -> list[type[models.Model]]:
    """Models with rules: of the shared schema, or of a tenant's. The topmost app's first, so that
    whatever refers to a row goes before it."""
    installed = settings.SHARED_APPS if shared else settings.TENANT_APPS
    return [
        model
        for model in reversed(apps.get_models())
        if rules_of(model)
        and apps.get_app_config(model._meta.app_label).name in installed
        and not model._meta.proxy
    ]


def find_undeclared(model: type[models.Model]) -> list[str]:
    """Fields that lead to a person or describe one, and that no rule names; rules that name no field."""
    rules = rules_of(model)
    by = {rule.by for rule in rules if hasattr(rule, "by")}
    named = by | {column for rule in rules for column in _columns(rule)}
    has_deleted = any(isinstance(rule, Deleted) for rule in rules)
    fields = {field.name: field for field in model._meta.concrete_fields}
    missing = [
        field.name
        for field in fields.values()
        if not {field.name, field.attname} & named
        and (_refers(field) or (_describes(field) and not has_deleted))
    ]
    known = {*fields, *(field.attname for field in fields.values())}
    return [*missing, *sorted(named - known)]


def _columns(rule: Rule) -> tuple[str, ...]:
    return tuple(rule.columns) if not isinstance(rule, Deleted) else rule.accountable


def _refers(field: "models.Field[Any, Any]") -> bool:
    if field.is_relation:
        return field.related_model is get_user_model()
    is_text_or_id = isinstance(field, models.CharField | models.TextField | models.UUIDField)
    return is_text_or_id and _REFERS.search(field.name) is not None


def _describes(field: "models.Field[Any, Any]") -> bool:
    is_address = isinstance(field, models.EmailField | models.GenericIPAddressField)
    return is_address or _DESCRIBES.search(field.name) is not None


def check_personal_data(
    *, app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    own = {name for name in settings.INSTALLED_APPS if not name.startswith("django")}
    return [
        Error(
            f"Nothing says what becomes of {', '.join(missing)} when a person is erased.",
            hint="Name each field in a rule of `personal` (shared_apps/core/personal.py).",
            obj=model,
            id="onboarding.E001",
        )
        for config in app_configs or apps.get_app_configs()
        if config.name in own
        for model in config.get_models()
        if (missing := find_undeclared(model))
    ]
