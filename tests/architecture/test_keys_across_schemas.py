"""No foreign key leads from a tenant's schema into the shared one, or back (docs/adr/0002)."""

from django.apps import apps
from django.conf import settings
from django.db import models


def is_of_tenants(model: type[models.Model]) -> bool:
    name = apps.get_app_config(model._meta.app_label).name
    return name in settings.TENANT_APPS and name not in settings.SHARED_APPS


def test_no_key_leads_from_one_schema_into_another() -> None:
    crossing = [
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.ManyToManyField)
        and is_of_tenants(model) != is_of_tenants(field.related_model)
    ]

    assert crossing == []
