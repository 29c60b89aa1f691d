"""What a bundle tells of an installation: each a function that may fail without the others."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import connections
from django.utils import timezone

from shared_apps.audit import condition
from shared_apps.core import context, databases, doctor
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain
from shared_apps.core.version import product_version
from shared_apps.fleet import selectors as fleet
from shared_apps.operations.backup import places
from shared_apps.operations.rotation import status as keys
from shared_apps.tenants import selectors as tenants

# Settings whose values are numbers, modes and sizes; of all others a bundle says only that they are set.
_SHOWN = (
    "DATABASE_SHARDING", "DATABASE_POOL_SIZE", "TENANT_CONNECTIONS", "DATABASE_REPLICA_MAX_LAG_SECONDS",
    "SPARE_SCHEMAS", "DELETION_WAIT_SECONDS", "ACCESS_TOKEN_LIFETIME", "REFRESH_TOKEN_LIFETIME",
    "MAX_LOGIN_LIFETIME", "PASSWORD_CHECKS_AT_ONCE", "ANSWER_FLOOR_MS", "LOG_FORMAT", "METRICS_TENANTS",
    "DEBUG", "TIME_ZONE", "TRUSTED_PROXIES", "AUDIT_ANCHOR_SECONDS", "POSTGRES_BIN_DIR", "BACKUPS_ROOT",
    "MEDIA_ROOT", "ARCHIVES_ROOT", "HEARTBEAT_DIR", "CERTIFICATE_FILES", "INSTALLED_APPS", "MIDDLEWARE",
)  # fmt: skip
_SERVER_SETTINGS = (
    "server_version", "max_connections", "max_locks_per_transaction", "max_prepared_transactions",
    "shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size", "wal_level", "fsync",
    "synchronous_commit", "full_page_writes", "autovacuum", "statement_timeout", "lock_timeout",
    "idle_in_transaction_session_timeout", "max_wal_size", "TimeZone", "server_encoding", "ssl",
    "password_encryption", "max_wal_senders", "hot_standby", "track_commit_timestamp",
)  # fmt: skip
_REDIS = ("redis_version", "uptime_in_seconds", "connected_clients", "used_memory_human",
          "maxmemory_human", "maxmemory_policy", "evicted_keys", "rejected_connections",
          "instantaneous_ops_per_sec", "role", "aof_enabled", "rdb_last_bgsave_status")  # fmt: skip


def gather() -> Iterator[tuple[str, Any]]:
    """Name of the file → what is in it; what could not be asked says why."""
    for name, ask in _FACTS.items():
        try:
            with context.operator():
                found = ask()
        except Exception as error:
            found = {"could_not_be_asked": f"{type(error).__name__}: {explain(error)}"}
        yield name, found


def _about() -> dict[str, Any]:
    return {
        "version": product_version(),
        "commit": settings.COMMIT,
        "environment": settings.ENVIRONMENT_NAME,
        "made_at": timezone.now().isoformat(),
        "python": sys.version,
        "system": platform.platform(),
        "packages": {d.metadata["Name"]: d.version for d in metadata.distributions()},
    }


def _settings() -> dict[str, Any]:
    shown = {name: getattr(settings, name, None) for name in _SHOWN}
    names = sorted(name for name in dir(settings) if name.isupper() and name not in shown)
    return {
        "values": {name: str(value) for name, value in shown.items()},
        "set": [name for name in names if getattr(settings, name, None)],
        "empty": [name for name in names if not getattr(settings, name, None)],
    }


def _doctor() -> dict[str, Any]:
    return {name: [asdict(f) for f in found] for name, found in doctor.examine().items()}


def _tenants() -> list[dict[str, Any]]:
    """Without names, domains and people."""
    known = {member.identity.slug: member for member in fleet.list_members()}
    target = fleet.get_target().fingerprint
    return [
        {
            "slug": tenant.slug,
            "state": tenant.state,
            "is_current": (m := known.get(tenant.slug)) is not None and m.fingerprint == target,
            "is_between": m is not None and m.is_between,
            "last_error": m.error if m is not None else "",
        }
        for tenant in tenants.list_tenants()
    ]


def _audit() -> dict[str, Any]:
    if not settings.RELAY_DATABASE_URL:
        return {"could_not_be_asked": "RELAY_DATABASE_URL is not set in this process"}
    found = condition.examine()
    return {
        "rows_waiting": found.rows,
        "oldest_seconds": found.oldest_seconds,
        "closed": found.closed,
        "failing": found.failing,
        "relays": [asdict(relay) for relay in found.relays],
    }


def _server(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    rows = connection.execute(
        "SELECT name, setting, unit FROM pg_settings WHERE name = ANY (%s)",
        [list(_SERVER_SETTINGS)],
    ).fetchall()
    sessions = connection.execute(
        "SELECT application_name, coalesce(state, ''), count(*), max(now() - xact_start)::text"
        " FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    locks = connection.execute("SELECT mode, granted, count(*) FROM pg_locks GROUP BY 1, 2")
    size = connection.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
    return {
        "settings": {name: f"{value} {unit or ''}".strip() for name, value, unit in rows},
        "sessions": sessions,
        "locks": locks.fetchall(),
        "size": size.fetchone(),
    }


def _application_server() -> dict[str, Any]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_class WHERE relkind = 'r'")
        relations = cursor.fetchone()[0]
    found = settings.DATABASES["default"]
    url = psycopg.conninfo.make_conninfo(
        host=found["HOST"], port=found["PORT"], user=found["USER"], password=found["PASSWORD"],
        dbname=found["NAME"],
    )  # fmt: skip
    with databases.connect(url, Database.TENANTS, autocommit=True) as connection:
        return {**_server(connection), "tables": relations}


def _audit_server() -> dict[str, Any]:
    url = settings.AUDIT_READER_DATABASE_URL
    with databases.connect(url, Database.AUDIT, autocommit=True) as connection:
        return _server(connection)


def _redis() -> dict[str, Any]:
    with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=3) as client:
        info = client.info()
    return {name: info.get(name) for name in _REDIS}


def _disks() -> dict[str, Any]:
    found = {}
    for name in ("MEDIA_ROOT", "ARCHIVES_ROOT", "BACKUPS_ROOT"):
        path = getattr(settings, name)
        if path and Path(path).exists():
            usage = shutil.disk_usage(path)
            found[name] = {"total": usage.total, "free": usage.free}
    return found


def _backups() -> list[str]:
    root = settings.BACKUPS_ROOT
    return [path.name for path in places.list_backups(Path(root))] if root else []


_FACTS: dict[str, Callable[[], Any]] = {
    "about.json": _about,
    "settings.json": _settings,
    "doctor.json": _doctor,
    "tenants.json": _tenants,
    "audit.json": _audit,
    "keys.json": lambda: [asdict(key) for key in keys.list_keys()],
    "application-database.json": _application_server,
    "audit-database.json": _audit_server,
    "redis.json": _redis,
    "disks.json": _disks,
    "backups.json": _backups,
}
