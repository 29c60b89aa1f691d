"""What an orchestrator is told: alive, ready, and of what is missing, in bounded time."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.test import Client

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.deadline import DeadlineError, Inquiry
from shared_apps.fleet import readiness
from tests.installation import Installation
from tests.waiting import wait_until

OK = {"database": "ok", "audit_database": "ok", "redis": "ok", "schema": "ok"}


def _ask(what: str) -> tuple[int, dict[str, str]]:
    readiness._known.clear()
    with context.nobody():
        response = Client(HTTP_HOST="10.1.2.3").get(f"/health/{what}")
    return response.status_code, response.json().get("checks", {})


def _await(what: str, expected: tuple[int, dict[str, str]]) -> None:
    """A loaded machine may not answer in the time that is given to a server that hangs."""
    wait_until(lambda: _ask(what) == expected, f"{what} to say {expected}")


@contextmanager
def _silent_server() -> Iterator[str]:
    """Takes connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_ready_says_that_all_is_there(acme: TenantIdentity, globex: TenantIdentity) -> None:
    _await("ready", (200, OK))
    _await("startup", (200, OK))
    assert _ask("live") == (200, {})


def test_a_redis_that_hangs_is_named_and_the_process_is_alive(
    acme: TenantIdentity, settings: Any
) -> None:
    with _silent_server() as address:
        settings.REDIS_URL = f"redis://{address}/0"
        _await("ready", (503, {**OK, "redis": "unavailable"}))
        assert _ask("live") == (200, {})


def test_an_audit_database_that_hangs_is_named_and_requests_are_served(
    acme: TenantIdentity, settings: Any
) -> None:
    with _silent_server() as address:
        settings.AUDIT_READER_DATABASE_URL = f"postgresql://nobody@{address}/none"
        _await("ready", (200, {**OK, "audit_database": "unavailable"}))


def test_a_database_that_does_not_answer_is_not_waited_for(
    acme: TenantIdentity, system: Installation, settings: Any
) -> None:
    """Its table is locked: the statement would wait for as long as statements may."""
    with system.owner() as owner:
        owner.execute("LOCK TABLE django_migrations IN ACCESS EXCLUSIVE MODE")
        _await("ready", (503, {**OK, "schema": "unavailable"}))
        # Only a superuser sees what others wait for.
        with psycopg.connect(settings.ADMIN_DATABASE_URL) as other:
            waiting = other.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = %s AND wait_event_type = 'Lock' AND query LIKE '%%public.django_migrations%%'",
                [settings.DATABASES["default"]["NAME"]],
            ).fetchone()
        assert waiting == (1,)  # the answer came before the statement's end
        assert _ask("live") == (200, {})
        owner.rollback()
    # Once whoever was asked first has answered.
    _await("ready", (200, OK))


def test_a_pending_migration_is_not_ready_and_alive(
    acme: TenantIdentity, system: Installation
) -> None:
    rename = "UPDATE django_migrations SET name = %s WHERE app = 'fleet' AND name = %s"
    with system.owner() as owner:
        owner.autocommit = True
        owner.execute(rename, ["0001_else", "0001_initial"])
        try:
            _await("ready", (503, {**OK, "schema": "behind"}))
            _await("startup", (503, {**OK, "schema": "behind"}))
            assert _ask("live") == (200, {})
        finally:
            owner.execute(rename, ["0001_initial", "0001_else"])
    _await("ready", (200, OK))


def test_a_question_that_hangs_holds_one_thread_however_often_it_is_asked() -> None:
    answer, asked = threading.Event(), []

    def hang() -> str:
        asked.append(1)
        answer.wait()
        return "there"

    inquiry = Inquiry(hang)
    for _ in range(5):
        with pytest.raises(DeadlineError):
            inquiry.begin().answer(seconds=0.01)
    assert len(asked) == 1
    answer.set()
    assert inquiry.begin().answer(seconds=20) == "there"


def test_what_a_question_raises_is_raised_where_it_is_waited_for() -> None:
    def fail() -> None:
        raise OSError("away")

    with pytest.raises(OSError, match="away"):
        Inquiry(fail).begin().answer(seconds=20)
