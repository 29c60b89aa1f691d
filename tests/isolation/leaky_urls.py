"""Sign-in and one view with the mistake that the laboratory is for."""

from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from shared_apps.core import context
from shared_apps.core.api.versioning import versioned
from shared_apps.tenants.selectors import list_tenants
from tenant_apps.invoicing import selectors


def everything(request: HttpRequest) -> JsonResponse:
    names = []
    with context.operator():
        tenants = list(list_tenants())
    for tenant in tenants:
        with context.tenant(tenant.identity):
            names += list(selectors.list_vendors().values_list("name", flat=True))
    return JsonResponse({"names": names})


urlpatterns = [
    *versioned([path("auth/", include("shared_apps.authn.urls"))]),
    path("everything/", everything),
]
