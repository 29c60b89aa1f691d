"""Each error provoked for real and over HTTP: its status, its body, and nothing that is nobody's business."""

import logging
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import Client, override_settings
from psycopg import errors as postgres
from psycopg import sql

from shared_apps.core import context, transactions
from shared_apps.core.context import TenantIdentity
from shared_apps.core.log import ContextFilter
from tenant_apps.invoicing.models import Vendor
from tenant_apps.invoicing.services import vendors
from tests.installation import Installation
from tests.integration.shared_apps.core import failing_urls
from tests.server import serving
from tests.waiting import wait_until

MEMBERS = {
    "type", "title", "status", "detail", "instance", "success", "error", "code", "details", "request_id",
}  # fmt: skip
# What no answer may hold: statements, names of the schema, files, stacks.
_UNTOLD = ("Zz9", "select", "invoicing_", "t_acme", "/", "traceback", "line ", "psycopg", "error:")


@pytest.fixture(autouse=True)
def addresses(acme: TenantIdentity) -> Iterator[None]:
    failing_urls.ATTEMPTS.clear()
    failing_urls.STEPS.clear()
    with override_settings(ROOT_URLCONF=failing_urls.__name__):
        yield


@pytest.fixture
def log() -> Iterator[list[logging.LogRecord]]:
    """What is logged, as the product's own handler sees it."""
    records: list[logging.LogRecord] = []

    class Keeping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keeping()
    handler.addFilter(ContextFilter())
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


def send(path: str, *, method: str = "POST", **options: Any) -> Any:
    client = Client(raise_request_exception=False)
    headers = {"host": "acme.localhost", "x-request-id": "r-1"}
    return client.generic(method, path, headers=headers, **options)


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == MEMBERS
    assert (body["status"], body["code"], body["success"]) == (status, code, False)
    assert body["request_id"] == answer["X-Request-ID"] == "r-1"
    told = f"{body['error']} {body['detail']} {body['title']} {body['details']}".lower()
    assert [word for word in _UNTOLD if word.lower() in told] == []
    return body


def assert_logged(log: list[logging.LogRecord], *, times: int) -> None:
    """So often with a traceback, and each line with the request that it is about."""
    told = [one for one in log if one.levelno >= logging.ERROR]
    assert len([one for one in told if one.exc_info]) == times, [one.msg for one in told]
    assert {one.request_id for one in told} <= {"r-1"}  # type: ignore[attr-defined]  # of the filter


def names(tenant: TenantIdentity) -> list[str]:
    with context.tenant(tenant):
        return sorted(Vendor.objects.values_list("name", flat=True))


def make_vendor(tenant: TenantIdentity, name: str) -> None:
    with context.tenant(tenant):
        vendors.create_vendor(name=name, vat_id="", email="", address="", created_by=tenant.id)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("unique", 409, "already_exists"),
        ("foreign-key", 409, "in_use"),
        ("protected", 409, "in_use"),
        ("check", 409, "constraint_violated"),
        ("not-null", 409, "constraint_violated"),
        ("out-of-range", 400, "out_of_range"),
        ("too-long", 400, "out_of_range"),
        ("statement-timeout", 503, "statement_timeout"),
        ("no-table", 503, "schema_unavailable"),
        ("syntax", 500, "internal"),
        ("defect", 500, "internal"),
        ("operational", 418, "api_error"),
        ("not-operational", 500, "internal"),
        ("throttled", 429, "throttled"),
    ],
)
def test_an_error_of_a_view(
    acme: TenantIdentity, log: list[logging.LogRecord], kind: str, status: int, code: str
) -> None:
    answer = send(f"/fail/{kind}/")
    body = assert_problem(answer, status, code)
    if status == 503:
        assert answer["Retry-After"] == "5"
    if kind == "throttled":
        assert answer["Retry-After"] == "7"
    if kind == "operational":
        assert (body["error"], body["details"]) == ("Tea only.", {"pot": "small"})
    assert_logged(log, times=1 if status >= 500 else 0)
    assert names(acme) == []


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("unique", 409, "already_exists"),
        ("syntax", 500, "internal"),
        ("defect", 500, "internal"),
        ("operational", 418, "api_error"),
    ],
)
@override_settings(DEBUG=True)
def test_an_error_of_a_page_of_django(kind: str, status: int, code: str) -> None:
    assert_problem(send(f"/page/{kind}/"), status, code)


@pytest.mark.parametrize("debug", [False, True])
def test_an_error_in_a_middleware(log: list[logging.LogRecord], debug: bool) -> None:
    failing = f"{failing_urls.__name__}.FailingMiddleware"
    with override_settings(MIDDLEWARE=[*settings.MIDDLEWARE, failing], DEBUG=debug):
        assert_problem(send("/middleware/"), 500, "internal")
    assert_logged(log, times=1)


@pytest.mark.parametrize("debug", [False, True])
def test_an_address_that_there_is_not(debug: bool) -> None:
    with override_settings(DEBUG=debug):
        assert_problem(send("/nothing/"), 404, "not_found")
        assert_problem(send("/collide/", method="PATCH"), 405, "method_not_allowed")


def test_a_lock_that_is_not_to_be_had(acme: TenantIdentity, system: Installation) -> None:
    with system.owner() as owner, owner.transaction():
        table = sql.Identifier(acme.schema, "invoicing_invoicingpolicy")
        owner.execute(sql.SQL("LOCK TABLE {}").format(table))
        answer = send("/fail/lock-timeout/")
    assert_problem(answer, 503, "timeout")
    assert answer["Retry-After"] == "5"


def _change_by_another(system: Installation, tenant: TenantIdentity) -> None:
    with system.owner() as owner:
        table = sql.Identifier(tenant.schema, "invoicing_vendor")
        owner.execute(sql.SQL("UPDATE {} SET name = name || '+'").format(table))


def test_a_collision_is_tried_again(acme: TenantIdentity, system: Installation) -> None:
    make_vendor(acme, "v")

    def collide_once(attempt: int) -> None:
        if attempt == 1:
            _change_by_another(system, acme)

    failing_urls.STEPS["between"] = collide_once
    answer = send("/collide/")
    assert (answer.status_code, answer.json()) == (200, {"name": "v+"})
    assert failing_urls.ATTEMPTS == ["v", "v+", "committed"]
    assert names(acme) == ["v+, changed"]


def test_after_so_many_collisions_the_client_is_told(
    acme: TenantIdentity, system: Installation, log: list[logging.LogRecord]
) -> None:
    make_vendor(acme, "v")
    failing_urls.STEPS["between"] = lambda attempt: _change_by_another(system, acme)
    answer = send("/collide/")
    assert_problem(answer, 503, "collision")
    assert answer["Retry-After"] == "5"
    assert failing_urls.ATTEMPTS == ["v", "v+", "v++", "v+++"]
    assert len(failing_urls.ATTEMPTS) == transactions.ATTEMPTS
    assert names(acme) == ["v++++"]
    assert sum("collided" in one.getMessage() for one in log) == transactions.ATTEMPTS - 1


def test_a_deadlock_is_tried_again(acme: TenantIdentity) -> None:
    make_vendor(acme, "a")
    make_vendor(acme, "b")
    table = sql.Identifier(acme.schema, "invoicing_vendor")
    lock = sql.SQL("UPDATE {} SET address = 'other' WHERE name = {}")
    # A superuser's own patience, so that PostgreSQL breaks off the other one.
    with psycopg.connect(settings.ADMIN_DATABASE_URL, dbname=_database()) as other:
        other.execute("SET deadlock_timeout = '60s'")
        threads: list[threading.Thread] = []

        def cross(attempt: int) -> None:
            if attempt > 1:
                return
            other.execute(lock.format(table, "b"))
            threads.append(threading.Thread(target=other.execute, args=[lock.format(table, "a")]))
            threads[0].start()
            wait_until(_somebody_waits, "the other one waits")

        failing_urls.STEPS["between"] = cross
        finished = threading.Thread(target=lambda: (_joined(threads), other.commit()))
        finished.start()
        answer = send("/deadlock/")
        finished.join()
    assert answer.status_code == 200
    assert failing_urls.ATTEMPTS == ["locked", "locked"]


def test_what_fails_after_the_commit_is_not_done_again(acme: TenantIdentity) -> None:
    def fail(_: int) -> None:
        raise OperationalError("elsewhere") from postgres.DeadlockDetected("elsewhere")

    failing_urls.STEPS["after"] = fail
    assert_problem(send("/after-commit/"), 503, "collision")
    assert failing_urls.ATTEMPTS == ["once"]
    assert names(acme) == ["kept"]


def test_within_a_transaction_nothing_can_be_tried_again(acme: TenantIdentity) -> None:
    def nested() -> None:
        transactions.run(lambda: None)

    with context.tenant(acme), pytest.raises(RuntimeError, match="durable"):
        transactions.run(nested)


def test_over_a_real_server(acme: TenantIdentity) -> None:
    """Also an answer that fails when it has begun: it is cut off, and nothing follows."""
    environment = {"DJANGO_SETTINGS_MODULE": "tests.integration.shared_apps.core.failing_settings"}
    with serving(environment=environment) as server:
        headers = {"host": server.host(acme), "x-request-id": "r-1"}
        address = f"http://127.0.0.1:{server.port}"
        for kind, status in (("defect", 500), ("unique", 409), ("syntax", 500)):
            for path in (f"/fail/{kind}/", f"/page/{kind}/"):
                answer = httpx.post(address + path, headers=headers)
                assert (answer.status_code, answer.json()["request_id"]) == (status, "r-1")
                assert "Zz9" not in answer.text
        cut_off = server.exchange(
            f"GET /stream/ HTTP/1.1\r\nHost: {server.host(acme)}\r\nConnection: close\r\n\r\n".encode()
        )
        # The last chunk, of no length, is what says that an answer is whole.
        assert cut_off.endswith(b"begun,\r\n"), cut_off


def _database() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def _somebody_waits() -> bool:
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        return bool(admin.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())


def _joined(threads: list[threading.Thread]) -> None:
    wait_until(lambda: bool(threads), "the other one begins")
    threads[0].join()
