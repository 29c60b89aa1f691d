"""Django without tenants. Its health check stays off: it would cost a round trip."""

from tests.benchmarks.suite.request.installation import FIRST_SCHEMA
from tests.benchmarks.suite.request.settings.shared import *

INSTALLED_APPS = [app for app in INSTALLED_APPS if app != "django_tenants"]
MIDDLEWARE = [
    name for name in MIDDLEWARE if name != "shared_apps.tenants.middleware.TenantMiddleware"
]
DATABASES = {
    "default": owner_database(
        ENGINE="django.db.backends.postgresql",
        OPTIONS={"options": f"-c search_path={FIRST_SCHEMA}"},
    )
}
DATABASE_ROUTERS = []
ROWS_REMEMBER_THEIR_TENANT = False
