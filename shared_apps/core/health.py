"""For load balancers and orchestrators: is the process alive, can it work."""

import time
from collections.abc import Callable
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse

from shared_apps.core import context, doctor, renewal
from shared_apps.core.deadline import Asked, DeadlineError, Inquiry

_PATIENCE = 3.0  # seconds; less than an orchestrator waits


def live(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked, so that an outage restarts nobody."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Whether requests can be served: 503 names what is missing, never why in detail.

    In a few seconds, also where something takes connections and says nothing: all are asked at once.
    """
    due = time.monotonic() + _PATIENCE
    started = {name: inquiry.begin() for name, inquiry in _inquiries.items()}
    states = {name: _state(asked, due=due) for name, asked in started.items()}
    # Without the audit database requests are served: what it should hold waits in the outboxes.
    needed = [state for name, state in states.items() if name != "audit_database"]
    # Ahead: the next release's migrations only add, so this one goes on serving beside them.
    is_ready = all(state in ("ok", "ahead") for state in needed)
    return JsonResponse(
        {"status": "ok" if is_ready else "unavailable", "checks": states},
        status=200 if is_ready else 503,
    )


def register_version(name: str, ask: Callable[[], str]) -> None:
    """Have readiness ask whether something is at this code's version: `ok`, `ahead` or `behind`."""
    _inquiries[name] = Inquiry(ask)


def _state(asked: Asked, *, due: float) -> str:
    try:
        return str(asked.answer(seconds=max(0.0, due - time.monotonic())))
    except (DatabaseError, psycopg.Error, redis.RedisError, OSError, DeadlineError):
        return "unavailable"


def examination_of(name: str) -> doctor.Check:
    """The same question for `manage.py doctor`, which says why it fails."""

    def examine() -> list[doctor.Finding]:
        DEPENDENCIES[name]()
        return []

    return examine


def _as_state(check: Callable[[], None]) -> Callable[[], str]:
    def ask() -> str:
        check()
        return "ok"

    return ask


def _ask_database() -> None:
    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_audit_database() -> None:
    with renewal.Connection[Any].connect(
        settings.AUDIT_READER_DATABASE_URL, connect_timeout=2
    ) as audit:
        audit.execute("SELECT 1")


def _ask_redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        client.ping()


DEPENDENCIES: dict[str, Callable[[], None]] = {
    "database": _ask_database,
    "audit_database": _ask_audit_database,
    "redis": _ask_redis,
}
_inquiries: dict[str, Inquiry] = {
    name: Inquiry(_as_state(check)) for name, check in DEPENDENCIES.items()
}
