"""What sealing cannot do is refused before it runs."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error

from shared_apps.audit.sealing.fields import personal_tables


def check_keys_of_records(
    *, app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """The key of a record is what its history is found by, so it stays readable for ever."""
    personal = personal_tables()
    return [
        Error(
            f"The key {model._meta.pk.column} of an audited model is personal.",
            hint="Give the model a key that tells nothing of a person, a UUID.",
            obj=model,
            id="audit.E001",
        )
        for config in app_configs or apps.get_app_configs()
        for model in config.get_models()
        if any(
            model._meta.pk.column in rule.columns for rule in personal.get(model._meta.db_table, ())
        )
    ]
