"""Four logins, so that each process can do no more than its work needs (docs/architecture.md)."""

from typing import Any

from config.env import env
from config.process import process_kind

# `citus`: the schemas of tenants are spread over the nodes of a Citus cluster (docs/scaling-citus.md).
DATABASE_SHARDING = env.choice("DATABASE_SHARDING", default="none", choices=("none", "citus"))
_is_sharded = DATABASE_SHARDING == "citus"

# What PgBouncer calls pool_mode: `transaction` where whatever is between us and PostgreSQL shares
# server connections between transactions. docs/connections.md says which to choose.
# Citus hands a setting on to a tenant's node only when it is made for one transaction.
_pool_mode = env.choice(
    "DATABASE_POOL_MODE",
    default="transaction" if _is_sharded else "session",
    choices=("transaction",) if _is_sharded else ("session", "transaction"),
)
# Connections of one process, kept and shared by its threads; 0 gives each thread its own. ASGI runs
# each request in a new thread, which then connects anew.
DATABASE_POOL_SIZE = env.integer(
    "DATABASE_POOL_SIZE", default=10 if process_kind() == "web" else 0, low=0, high=500
)
# How many of them one tenant may hold at a time when it has no limit of its own.
TENANT_CONNECTIONS = env.integer(
    "TENANT_CONNECTIONS",
    default=max(1, DATABASE_POOL_SIZE * 3 // 4) if DATABASE_POOL_SIZE else 8,
    low=1,
    high=500,
)

_options: dict[str, Any] = {
    "connect_timeout": 5,
    "application_name": f"freehold {process_kind()}",
}
_limits = {
    "STATEMENT_TIMEOUT_MS": env.integer(
        "DATABASE_STATEMENT_TIMEOUT_MS", default=30_000, low=0, high=86_400_000
    ),
    "IDLE_IN_TRANSACTION_TIMEOUT_MS": env.integer(
        "DATABASE_IDLE_IN_TRANSACTION_TIMEOUT_MS", default=60_000, low=0, high=86_400_000
    ),
}
# A server process remembers every table that it has met, of every tenant; docs/scaling.md has figures.
_tenants_per_connection = env.integer(
    "DATABASE_TENANTS_PER_CONNECTION", default=100, low=0, high=100_000
)
_kept: dict[str, Any] = {
    # A thread that ends with its request would leave a kept one open.
    "CONN_MAX_AGE": 0 if process_kind() == "web" else 60,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": _options,
}
_pooled: dict[str, Any] = {
    "OPTIONS": {
        **_options,
        "pool": {
            "min_size": 0,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": 5.0,
            # After an outage the next request connects, not a retry that has grown rare meanwhile.
            "reconnect_timeout": 1.0,
            "max_lifetime": 900.0,
        },
    },
}

_runtime = env.database("DATABASE_URL")

DATABASES: dict[str, dict[str, Any]] = {
    # The application at work: owns nothing, runs each statement as the tenant's role.
    "default": {
        "ENGINE": "shared_apps.tenants.database",
        "TENANT_ROLES": True,
        "POOL_MODE": _pool_mode,
        "SHARDED": _is_sharded,
        "TENANTS_PER_CONNECTION": _tenants_per_connection,
        "SQL_COMMENTS": env.boolean("DATABASE_SQL_COMMENTS", default=True),
        **_limits,
        **(_pooled if DATABASE_POOL_SIZE else _kept),
        **_runtime,
    },
    # Migrations and provisioning: owns the schemas. Web and workers are started without it. It leads
    # to PostgreSQL itself: advisory locks and CREATE INDEX CONCURRENTLY need a session.
    "migration": {
        "ENGINE": "shared_apps.tenants.database",
        "TENANT_ROLES": False,
        "SHARDED": _is_sharded,
        "TENANTS_PER_CONNECTION": _tenants_per_connection,
        # A migration may take its time over a statement, not between two of them.
        "IDLE_IN_TRANSACTION_TIMEOUT_MS": 600_000,
        "OPTIONS": _options,
        **env.database("MIGRATION_DATABASE_URL", default=_runtime),
        "TEST": {"MIRROR": "default"},
    },
}

# A streaming standby of the same cluster, for reads that may be so many seconds old (docs/scaling.md).
DATABASE_REPLICA_MAX_LAG_SECONDS = env.integer(
    "DATABASE_REPLICA_MAX_LAG_SECONDS", default=10, low=1, high=3600
)
if _replica := env.database("DATABASE_REPLICA_URL", default={}):
    # Whoever waits for a replica that is away could have asked the primary.
    _replica_options = {**DATABASES["default"]["OPTIONS"], "connect_timeout": 2}
    if DATABASE_POOL_SIZE:
        _replica_options["pool"] = {**_replica_options["pool"], "timeout": 2.0}
    if _pool_mode == "session":
        # Also where it was promoted and would take writes; poolers refuse the option.
        _replica_options["options"] = "-c default_transaction_read_only=on"
    DATABASES["replica"] = {
        **DATABASES["default"],
        **_replica,
        "OPTIONS": _replica_options,
        "TEST": {"MIRROR": "default"},
    }

# The audit database is reached with psycopg, never through models: Django must not migrate it.
AUDIT_DATABASE_URL = env.url("AUDIT_DATABASE_URL", schemes=("postgresql", "postgres"))
AUDIT_READER_DATABASE_URL = env.url("AUDIT_READER_DATABASE_URL", schemes=("postgresql", "postgres"))
# Only the relay and the audit commands need these; a process that lacks one says so when it does.
AUDIT_AUDITOR_DATABASE_URL = env.url(
    "AUDIT_AUDITOR_DATABASE_URL", default="", schemes=("postgresql", "postgres")
)
AUDIT_RETENTION_DATABASE_URL = env.url(
    "AUDIT_RETENTION_DATABASE_URL", default="", schemes=("postgresql", "postgres")
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

# Read again where a password is refused: it may have been changed since (shared_apps/core/renewal.py).
DATABASE_URL_FILES = env.files(
    "DATABASE_URL",
    "MIGRATION_DATABASE_URL",
    "DATABASE_REPLICA_URL",
    "RELAY_DATABASE_URL",
    "AUDIT_DATABASE_URL",
    "AUDIT_READER_DATABASE_URL",
    "AUDIT_AUDITOR_DATABASE_URL",
    "AUDIT_RETENTION_DATABASE_URL",
    "AUDIT_MIGRATION_DATABASE_URL",
    "ADMIN_DATABASE_URL",
    "AUDIT_ADMIN_DATABASE_URL",
)

DATABASE_ROUTERS = [
    # First, because it is asked for rows, the other one by migrations only.
    "shared_apps.tenants.ownership.TenantRouter",
    "django_tenants.routers.TenantSyncRouter",
]
TENANT_DB_ALIAS = "migration"

REDIS_URL = env.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
