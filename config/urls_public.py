"""What the public host answers, and the health addresses, which need no tenant."""

from django.urls import URLPattern, URLResolver, include, path

from config.system_urls import system_urls
from shared_apps.core import health
from shared_apps.core.api.versioning import versioned
from shared_apps.core.urls import endpoint

api: list[URLPattern | URLResolver] = [
    path("auth/", include("shared_apps.authn.urls")),
    path("operator/", include("shared_apps.onboarding.urls")),
    path("portfolio/", include("shared_apps.portfolio.urls")),
    path("portfolio/", include("shared_apps.authn.impersonation.public_urls")),
    *system_urls,
]

urlpatterns = [
    path("", include("shared_apps.authn.page_urls")),
    *versioned(api),
    path("", include("shared_apps.authn.mail_page_urls")),
    *endpoint("health/live/", health.live, name="health-live"),
    *endpoint("health/ready/", health.ready, name="health-ready"),
    *endpoint("health/startup/", health.ready, name="health-startup"),
]
