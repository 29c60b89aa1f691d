"""Models as they are without the product: their rows do not remember whose they are."""

from types import FunctionType

from django.db import models

from shared_apps.tenants.ownership import TenantModel, TenantQuerySet

_CODE = (FunctionType, classmethod, property)


def strip() -> None:
    """For contenders that have no context: what the product's rows remember is its cost alone."""
    for ours, base in ((TenantModel, models.Model), (TenantQuerySet, models.QuerySet)):
        overridden = [n for n, part in vars(ours).items() if isinstance(part, _CODE)]
        for name in overridden:
            if hasattr(base, name):
                delattr(ours, name)
