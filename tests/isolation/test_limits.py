"""A tenant that asks for too much slows itself only."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import (
    DatabaseError,
    InternalError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.test import Client, override_settings

from shared_apps.core import context, problems
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import TenantLimits
from shared_apps.tenants import selectors, services, shares
from shared_apps.tenants.errors import LimitsError
from tests.concurrency import at_once
from tests.isolation.modes import POOL, Mode, Poolers, connected

Limit = Callable[..., TenantIdentity]


@pytest.fixture
def limit(acme: TenantIdentity) -> Iterator[Limit]:
    """`limit(statement_timeout_ms=200)`: acme with these limits, until the end of the test."""

    def change(**limits: int) -> TenantIdentity:
        services.change_limits(tenant_id=acme.id, limits=TenantLimits(**limits))
        return selectors.get_tenant(slug="acme").identity

    yield change
    change()


@pytest.fixture
def get() -> Iterator[Callable[[TenantIdentity, str], Any]]:
    def send(tenant: TenantIdentity, path: str) -> Any:
        return Client().get(path, headers={"host": f"{tenant.slug}.localhost"})

    with override_settings(ROOT_URLCONF="tests.isolation.urls"):
        yield send


def test_a_statement_that_takes_too_long_is_a_problem_for_that_tenant_only(
    mode: Mode, limit: Limit, get: Callable[..., Any], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    limit(statement_timeout_ms=200)

    refused = get(acme, "/sleep/?seconds=1")
    assert refused.status_code == 503
    assert refused["Content-Type"] == "application/problem+json"
    assert refused["Retry-After"]
    assert refused.json()["code"] == "statement_timeout"

    assert get(acme, "/sleep/?seconds=0.01").status_code == 200
    assert get(globex, "/sleep/?seconds=0.4").status_code == 200


def test_it_leaves_the_connection_usable(mode: Mode, limit: Limit, globex: TenantIdentity) -> None:
    limited = limit(statement_timeout_ms=100)
    for tenant in (limited, globex, limited):
        with context.tenant(tenant), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("100ms" if tenant is limited else "30s",)
        with (
            context.tenant(limited),
            pytest.raises(OperationalError, match="statement timeout"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT pg_sleep(1)")


def test_a_transaction_that_idles_is_ended(
    mode: Mode, limit: Limit, globex: TenantIdentity
) -> None:
    limited = limit(idle_in_transaction_timeout_ms=100)
    with (
        contextlib.suppress(DatabaseError),
        context.tenant(limited),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT 1")
        time.sleep(0.5)
        with pytest.raises((InternalError, OperationalError)) as ended:
            cursor.execute("SELECT 1")
        described = problems.describe(ended.value)
        assert described is not None
        assert described["status"] == 503
        raise ended.value
    connection.close_if_unusable_or_obsolete()
    with context.tenant(globex), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        time.sleep(0.2)
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == (globex.role,)


def test_the_operator_and_migrations_have_limits_of_their_own(acme: TenantIdentity) -> None:
    shown: dict[str, list[str]] = {}
    with context.operator():
        for alias in ("default", "migration"):
            with connections[alias].cursor() as cursor:
                cursor.execute(
                    "SELECT current_setting('statement_timeout'),"
                    " current_setting('idle_in_transaction_session_timeout')"
                )
                shown[alias] = list(cursor.fetchone())
    assert shown == {"default": ["30s", "1min"], "migration": ["0", "10min"]}


def test_a_noisy_tenant_slows_itself_only(
    poolers: Poolers,
    limit: Limit,
    get: Callable[..., Any],
    acme: TenantIdentity,
    globex: TenantIdentity,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A share is made once per process, from settings; this test needs a short line.
    monkeypatch.setattr(shares, "of_this_process", shares.Shares(patience=1.0, queue=8))
    limit(connections=2)

    def noise() -> Any:
        return get(acme, "/sleep/?seconds=1.5")

    def work() -> float:
        time.sleep(0.3)  # until the noise has taken what it can get
        slowest = 0.0
        for _ in range(5):
            started = time.monotonic()
            assert get(globex, "/sleep/?seconds=0").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
        return slowest

    # Three connections; without a share the noise would hold all of them, one after the other.
    with connected(replace(POOL, psycopg_pool=3), poolers):
        *noisy, slowest = at_once([noise] * 12 + [work])

    assert slowest < 1.0  # it never waited for one of the noise's statements
    statuses = [response.status_code for response in noisy]
    assert sorted(set(statuses)) == [200, 503]
    # Eight may wait for a place, and they are out of patience before one is free.
    assert statuses.count(200) == 2
    refused = next(response for response in noisy if response.status_code == 503)
    assert refused.json()["code"] == "tenants.busy"
    assert refused["Retry-After"] == "1"


@pytest.mark.parametrize("value", [0, -1, 2**31])
def test_a_limit_that_is_none_is_refused(acme: TenantIdentity, value: int) -> None:
    for name in ("statement_timeout_ms", "idle_in_transaction_timeout_ms", "connections"):
        with pytest.raises(LimitsError):
            services.change_limits(tenant_id=acme.id, limits=TenantLimits(**{name: value}))
    assert selectors.get_tenant(slug="acme").limits == TenantLimits()
