"""What tenant hosts answer."""

from django.urls import URLPattern, URLResolver, include, path

from config.system_urls import system_urls
from shared_apps.core.api.versioning import versioned
from tenant_apps.idempotency.guarding import guarded

api: list[URLPattern | URLResolver] = [
    path("auth/", include("shared_apps.authn.urls")),
    path("", include("shared_apps.accounts.urls")),
    path("", include("shared_apps.authn.members.urls")),
    path("", include("shared_apps.authn.impersonation.urls")),
    path("", include("shared_apps.authn.people_urls")),
    path("", include("shared_apps.directory_sync.urls")),
    path("audit/", include("shared_apps.audit.urls")),
    path("", include("tenant_apps.invoicing.urls")),
    *system_urls,
]

# Writes of every app's API run in one transaction and take an Idempotency-Key.
urlpatterns = guarded(
    [
        path("", include("shared_apps.authn.page_urls")),
        *versioned(api),
        path("files/", include("shared_apps.tenants.urls")),
        path("", include("shared_apps.authn.mail_page_urls")),
    ]
)
