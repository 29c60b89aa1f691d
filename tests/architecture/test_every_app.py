"""What each address is counted as, and that each table of tenants is in the trail. More that holds for every
address: test_route_permissions.py, test_every_route.py, test_documents.py, test_repeatable_requests.py."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.test.utils import isolate_apps
from rest_framework.views import APIView

from shared_apps.audit.models import Auditable
from shared_apps.core.rate_limits.classes import class_of
from shared_apps.core.rate_limits.rates import RateClass
from tests.attacks.test_route_permissions import bare, methods_of, routes

# Tables of tenants that leave no entries, and why.
UNRECORDED = {
    "idempotency.StoredAnswer": "a copy of what was answered; what was written has its own entries",
}


def unlimited(found: dict[str, tuple[str, Any]]) -> set[str]:
    return {
        bare(name)
        for name, (_, view) in found.items()
        for method in methods_of(view) or {"GET"}
        if class_of(view, method) is RateClass.UNLIMITED
    }


def unrecorded(found: "list[type[models.Model]]") -> set[str]:
    return {model._meta.label for model in found if not issubclass(model, Auditable)}


def tables_of_tenants() -> "list[type[models.Model]]":
    own = set(settings.TENANT_APPS) - set(settings.SHARED_APPS)
    return [
        model
        for config in apps.get_app_configs()
        if config.name in own
        for model in config.get_models(include_auto_created=True)
    ]


def test_every_address_is_limited() -> None:
    found = {**routes("config.urls"), **routes("config.urls_public")}

    assert len(found) > 100
    assert unlimited(found) == set()


def test_an_address_without_a_limit_is_noticed() -> None:
    class Unlimited(APIView):
        rate_class = RateClass.UNLIMITED

        def get(self, request: Any) -> None: ...

    assert unlimited({"v1:devices:all": ("/", Unlimited.as_view())}) == {"devices:all"}


def test_every_table_of_tenants_is_in_the_trail() -> None:
    found = tables_of_tenants()

    assert len(found) > 3
    assert unrecorded(found) == set(UNRECORDED)


@isolate_apps("tenant_apps.invoicing")
def test_a_table_that_is_not_is_noticed() -> None:
    class Forgotten(models.Model):
        class Meta:
            app_label = "invoicing"

    assert unrecorded([Forgotten]) == {"invoicing.Forgotten"}
