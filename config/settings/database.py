"""Four logins, so that each process can do no more than its work needs (docs/architecture.md)."""

from typing import Any

from config.env import env

_connection: dict[str, Any] = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
_timeouts = {"OPTIONS": {"connect_timeout": 5}}

_runtime = env.database("DATABASE_URL")

DATABASES: dict[str, dict[str, Any]] = {
    # The application at work: owns nothing, runs each statement as the tenant's role.
    "default": {
        "ENGINE": "shared_apps.tenants.database",
        "TENANT_ROLES": True,
        **_connection,
        **_timeouts,
        **_runtime,
    },
    # Migrations and provisioning: owns the schemas. Web and workers are started without it.
    "migration": {
        "ENGINE": "shared_apps.tenants.database",
        "TENANT_ROLES": False,
        **_timeouts,
        **env.database("MIGRATION_DATABASE_URL", default=_runtime),
        "TEST": {"MIRROR": "default"},
    },
}

# The audit database is reached with psycopg, never through models: Django must not migrate it.
AUDIT_DATABASE_URL = env.url("AUDIT_DATABASE_URL", schemes=("postgresql", "postgres"))
AUDIT_READER_DATABASE_URL = env.url("AUDIT_READER_DATABASE_URL", schemes=("postgresql", "postgres"))
# Only the relay and the audit commands need these; a process that lacks one says so when it does.
AUDIT_AUDITOR_DATABASE_URL = env.url(
    "AUDIT_AUDITOR_DATABASE_URL", default="", schemes=("postgresql", "postgres")
)
AUDIT_MIGRATION_DATABASE_URL = env.url(
    "AUDIT_MIGRATION_DATABASE_URL", default="", schemes=("postgresql", "postgres")
)
RELAY_DATABASE_URL = env.url("RELAY_DATABASE_URL", default="", schemes=("postgresql", "postgres"))
# Superusers of the two servers, for `manage.py install` alone.
ADMIN_DATABASE_URL = env.url("ADMIN_DATABASE_URL", default="", schemes=("postgresql", "postgres"))
AUDIT_ADMIN_DATABASE_URL = env.url(
    "AUDIT_ADMIN_DATABASE_URL", default=ADMIN_DATABASE_URL, schemes=("postgresql", "postgres")
)

DATABASE_ROUTERS = [
    "django_tenants.routers.TenantSyncRouter",
    "shared_apps.tenants.ownership.TenantRouter",
]
TENANT_DB_ALIAS = "migration"

REDIS_URL = env.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
