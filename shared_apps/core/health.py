"""For load balancers and orchestrators: is the process alive, can it work."""

from collections.abc import Callable

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from shared_apps.core import context, doctor


def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked, so that an outage restarts nobody."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Whether requests can be served: 503 names what is missing, never why in detail."""
    checks = {name: _works(check) for name, check in DEPENDENCIES.items()}
    # Without the audit database requests are served: what it should hold waits in the outboxes.
    is_ready = checks["database"] and checks["redis"]
    states = {name: "ok" if works else "unavailable" for name, works in checks.items()}
    for name, ask in _versions.items():
        states[name] = _version(ask) if checks["database"] else "unavailable"
        # Ahead: the next release's migrations only add, so this one goes on serving beside them.
        is_ready = is_ready and states[name] in ("ok", "ahead")
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": states},
        status=200 if is_ready else 503,
    )


def register_version(name: str, ask: Callable[[], str]) -> None:
    """Have readiness ask whether something is at this code's version: `ok`, `ahead` or `behind`."""
    _versions[name] = ask


def _version(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except (DatabaseError, psycopg.Error):
        return "unavailable"


def examination_of(name: str) -> doctor.Check:
    """The same question for `manage.py doctor`, which says why it fails."""

    def examine() -> list[doctor.Finding]:
        DEPENDENCIES[name]()
        return []

    return examine


def _works(check: Callable[[], None]) -> bool:
    try:
        check()
    except (DatabaseError, psycopg.Error, redis.RedisError, OSError):
        return False
    return True


def _ask_database() -> None:
    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_audit_database() -> None:
    with psycopg.connect(settings.AUDIT_READER_DATABASE_URL, connect_timeout=2) as audit:
        audit.execute("SELECT 1")


def _ask_redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        client.ping()


_versions: dict[str, Callable[[], str]] = {}
DEPENDENCIES: dict[str, Callable[[], None]] = {
    "database": _ask_database,
    "audit_database": _ask_audit_database,
    "redis": _ask_redis,
}
