"""django-tenants as its documentation sets it up: middleware first, defaults otherwise."""

from tests.benchmarks.suite.request.settings.shared import *

MIDDLEWARE = [
    "django_tenants.middleware.main.TenantMainMiddleware",
    *(name for name in MIDDLEWARE if name != "shared_apps.tenants.middleware.TenantMiddleware"),
]
DATABASES = {"default": owner_database(ENGINE="django_tenants.postgresql_backend")}
TENANT_DB_ALIAS = "default"
ROWS_REMEMBER_THEIR_TENANT = False
