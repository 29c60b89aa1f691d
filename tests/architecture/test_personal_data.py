"""Every field that leads to a person says what becomes of it when the person is erased."""

import uuid
from typing import Any, ClassVar

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.test.utils import isolate_apps

from shared_apps.core.personal import Deleted, Emptied, Kept, Rule
from shared_apps.onboarding.erasing.declarations import check_personal_data, find_undeclared


def test_every_model_declares_what_becomes_of_people() -> None:
    assert {
        model._meta.label: missing
        for model in apps.get_models()
        if model._meta.app_config.name in settings.INSTALLED_APPS  # type: ignore[union-attr]
        and not model._meta.app_config.name.startswith("django")  # type: ignore[union-attr]
        and (missing := find_undeclared(model))
    } == {}
    assert check_personal_data() == []


FIELDS: "list[tuple[str, models.Field[Any, Any]]]" = [
    ("email", models.CharField(max_length=254)),
    ("contact_email", models.TextField()),
    ("address", models.EmailField()),
    ("created_by", models.UUIDField(default=uuid.uuid4)),
    ("user_id", models.UUIDField(null=True)),
    ("on_behalf_of", models.UUIDField(null=True)),
    ("seen_from", models.GenericIPAddressField()),
    ("phone", models.CharField(max_length=20)),
]


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
@isolate_apps("tenant_apps.invoicing")
def test_the_check_sees_a_field_that_nobody_thought_of(
    name: str, field: "models.Field[Any, Any]"
) -> None:
    body = {"__module__": __name__, "Meta": type("Meta", (), {"app_label": "invoicing"})}
    silent = type("Silent", (models.Model,), {**body, name: field.clone()})
    assert find_undeclared(silent) == [name]
    rules = (Kept(by=name, reason="r", ground="g"),)
    speaking = type("Speaking", (models.Model,), {**body, name: field.clone(), "personal": rules})
    assert find_undeclared(speaking) == []


@isolate_apps("tenant_apps.invoicing")
def test_a_rule_names_fields_that_there_are() -> None:
    class Note(models.Model):
        personal: ClassVar[tuple[Rule, ...]] = (
            Deleted(by="author"),
            Emptied(by="email", columns={"e_mail": ""}),
        )
        email = models.CharField(max_length=254)

        class Meta:
            app_label = "invoicing"

    assert find_undeclared(Note) == ["author", "e_mail"]
