"""The query log: every message to PostgreSQL, whose it is, and none of its values."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.test import override_settings

from shared_apps.core import attribution, context, route
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import QueryLogMode, TenantLimits
from shared_apps.core.log import QueryLogFile
from shared_apps.tenants import services as tenants
from shared_apps.tenants.database.query_log import LOGGER
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.isolation.modes import DIRECT, Mode, Poolers, connected

SECRET = "s3cret-value"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The file that the logger writes to."""
    path = tmp_path / "queries.jsonl"
    handler = QueryLogFile(path, delay=True, encoding="utf-8")
    logger = logging.getLogger(LOGGER)
    usual, logger.handlers = logger.handlers, [handler]
    yield path
    logger.handlers = usual
    handler.close()


def _lines(path: Path, **wanted: Any) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [line for line in lines if wanted.items() <= line.items()]


@contextmanager
def _request(tenant: TenantIdentity) -> Iterator[str]:
    """As a request has it."""
    who = attribution.Attribution(request_id=f"r-{uuid4().hex}", user_id=UUID(int=5))
    with attribution.acting(who), route.unresolved(), context.tenant(tenant):
        route.resolved("v1:tests")
        yield who.request_id or ""


def _everything(tenant: TenantIdentity) -> None:
    """Each way to send statements that there is, with a value in each."""
    Vendor.objects.create(name=SECRET, created_by=UUID(int=0))
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s, 'plain s3cret-value'", [SECRET])
        cursor.executemany("SELECT %s", [(SECRET,), (SECRET,), (SECRET,)])
        list(cursor.stream("SELECT %s", [SECRET]))
        with cursor.copy("COPY (SELECT %s) TO STDOUT", [SECRET]) as copy:
            list(copy)
        with pytest.raises(DatabaseError):
            cursor.execute("SELECT %s::integer", [SECRET])
    with transaction.atomic():
        list(Vendor.objects.filter(name=SECRET).iterator(chunk_size=1))
        with transaction.atomic():
            Vendor.objects.filter(name=SECRET).update(name=f"{SECRET}!")
    with transaction.atomic():
        Vendor.objects.filter(name=f"{SECRET}!").delete()
        transaction.set_rollback(True)


def test_as_many_lines_as_the_server_has_executed_statements(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, log: Path
) -> None:
    with _server_log() as executed, override_settings(QUERY_LOG_MODE="full"):
        for tenant in (acme, globex):
            with _request(tenant) as request_id:
                _everything(tenant)
            mine = _lines(log, request_id=request_id)
            count = sum(line["times"] for line in mine)
            assert count > 20
            assert executed(request_id, count) == count
            assert {(line["tenant"], line["route"], line["alias"]) for line in mine} == {
                (tenant.slug, "v1:tests", "default")
            }
            assert {line["user_id"] for line in mine} == {str(UUID(int=5))}


@contextmanager
def _server_log() -> Iterator[Callable[[str, int], int]]:
    """How many statements of a request PostgreSQL's own log has, once it has so many."""
    with psycopg.connect(settings.ADMIN_DATABASE_URL, autocommit=True) as admin:
        row = admin.execute("SHOW data_directory").fetchone()
        assert row
        logs = list(Path(row[0]).parent.glob("*log*"))
        if not logs:
            pytest.skip("this server's log cannot be read from here")
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        admin.execute("SELECT pg_reload_conf()")

        def count(request_id: str, expected: int) -> int:
            end = time.monotonic() + 10
            while True:
                text = "".join(path.read_text(errors="replace") for path in logs if path.is_file())
                # A statement is logged once, and once more where it fails.
                found = [
                    line for line in text.splitlines()
                    if f"request_id='{request_id}'" in line and " LOG: " in line
                ]  # fmt: skip
                if len(found) >= expected or time.monotonic() > end:
                    return len(found)
                time.sleep(0.05)

        try:
            _wait_until_logged(logs)
            yield count
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            admin.execute("SELECT pg_reload_conf()")


def _wait_until_logged(logs: list[Path]) -> None:
    """Until a connection that is there already has read the changed setting."""
    mark, end = f"mark-{uuid4().hex}", time.monotonic() + 10
    while not any(mark in path.read_text(errors="replace") for path in logs if path.is_file()):
        assert time.monotonic() < end
        with context.operator(), connection.cursor() as cursor:
            cursor.execute("SELECT %s", [mark])


def test_no_value_is_logged_unless_that_is_wanted(
    acme: TenantIdentity, poolers: Poolers, log: Path
) -> None:
    with connected(DIRECT, poolers), override_settings(QUERY_LOG_MODE="full"):
        with _request(acme):
            _everything(acme)
        assert SECRET not in log.read_text()
        assert [line["error"] for line in _lines(log) if line["error"]] == [
            "InvalidTextRepresentation"
        ]
        with _request(acme) as request_id, override_settings(QUERY_LOG_VALUES=True):
            _everything(acme)
        assert SECRET in log.read_text()
        shown = _lines(log, request_id=request_id, sql="SELECT %s, 'plain s3cret-value'")
        assert [line["values"] for line in shown] == [repr([SECRET])]


def test_a_line_says_what_a_statement_cost(
    acme: TenantIdentity, poolers: Poolers, log: Path
) -> None:
    with (
        connected(DIRECT, poolers),
        override_settings(QUERY_LOG_MODE="full"),
        _request(acme),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT generate_series(1, 7), pg_sleep(0.02)")
        cursor.executemany("SELECT %s", [(1,), (2,)])
        cursor.execute(f"SELECT 1 WHERE 1 IN ({'1, ' * 50_000} 1)")
    (slow,) = [line for line in _lines(log) if "pg_sleep" in line["sql"]]
    assert slow["rows"] == 7
    assert slow["duration_ms"] >= 7 * 20
    assert [line["times"] for line in _lines(log, sql="SELECT %s")] == [2]
    assert max(len(line) for line in log.read_text().splitlines()) < 4096


def test_slow_ones_alone(acme: TenantIdentity, poolers: Poolers, log: Path) -> None:
    with (
        connected(DIRECT, poolers),
        override_settings(QUERY_LOG_MODE="slow", QUERY_LOG_SLOW_MS=5000),
        _request(acme),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        with override_settings(QUERY_LOG_SLOW_MS=50):
            cursor.execute("SELECT pg_sleep(0.06)")
    assert [line["sql"] for line in _lines(log)] == ["SELECT pg_sleep(?)"]


def test_a_sampled_request_is_whole_and_others_are_missing_whole(
    acme: TenantIdentity, poolers: Poolers, log: Path
) -> None:
    requests = []
    with connected(DIRECT, poolers), override_settings(
        QUERY_LOG_MODE="sampled", QUERY_LOG_SAMPLE_PERCENT=30
    ):  # fmt: skip
        for _ in range(60):
            with _request(acme) as request_id, connection.cursor() as cursor:
                requests.append(request_id)
                for _ in range(3):
                    cursor.execute("SELECT 1")
    counts = [len(_lines(log, request_id=id, sql="SELECT ?")) for id in requests]
    assert set(counts) == {0, 3}
    assert 0 < counts.count(3) < 45, "eighteen of sixty are expected"


def test_a_tenant_has_a_mode_of_its_own_from_its_next_request_on(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api], log: Path
) -> None:
    admins = {tenant.slug: api(tenant, "admin") for tenant in (acme, globex)}

    def logged(slug: str) -> int:
        request_id = admins[slug].get("vendors/")["X-Request-ID"]
        lines = _lines(log, request_id=request_id)
        assert {line["tenant"] for line in lines} <= {slug, "-operator-"}
        return len([line for line in lines if line["tenant"] == slug])

    assert (logged("acme"), logged("globex")) == (0, 0)
    full = replace(TenantLimits(), query_log=QueryLogMode.FULL)
    tenants.change_limits(tenant_id=acme.id, limits=full)
    try:
        assert logged("acme") > 0
        assert logged("globex") == 0
    finally:
        tenants.change_limits(tenant_id=acme.id, limits=TenantLimits())
    assert logged("acme") == 0


def test_a_file_that_is_moved_away_is_followed_by_a_new_one(
    acme: TenantIdentity, poolers: Poolers, log: Path
) -> None:
    def ask() -> None:
        with _request(acme), connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    with connected(DIRECT, poolers), override_settings(QUERY_LOG_MODE="full"):
        ask()
        log.rename(log.with_suffix(".1"))
        ask()
    assert (
        len(_lines(log, sql="SELECT ?")) == len(_lines(log.with_suffix(".1"), sql="SELECT ?")) == 1
    )


def test_a_log_that_cannot_be_written_concerns_no_request(
    acme: TenantIdentity, poolers: Poolers, log: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log.mkdir()
    with (
        connected(DIRECT, poolers),
        override_settings(QUERY_LOG_MODE="full"),
        _request(acme),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 5")
        assert cursor.fetchone() == (5,)
    log.rmdir()
