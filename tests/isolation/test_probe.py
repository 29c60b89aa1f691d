"""A way to PostgreSQL on which one tenant could meet another's role is refused by name."""

import os
import subprocess
import sys
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from scripts.stack.paths import ROOT
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.database import probe
from shared_apps.tenants.database.probe import Pooling, UnsafeRouteError
from tests.concurrency import at_once
from tests.isolation.modes import (
    DIRECT,
    PGBOUNCER_SESSION,
    PGBOUNCER_TRANSACTION,
    Mode,
    Poolers,
    connected,
)

UNSAFE = replace(PGBOUNCER_TRANSACTION, pool_mode="session")


@pytest.mark.parametrize(
    ("way", "found"),
    [
        (DIRECT, Pooling.NONE),
        (PGBOUNCER_SESSION, Pooling.SESSION),
        (PGBOUNCER_TRANSACTION, Pooling.TRANSACTION),
        (replace(PGBOUNCER_TRANSACTION, servers=3), Pooling.TRANSACTION),
        (replace(PGBOUNCER_TRANSACTION, pooler="statement"), Pooling.STATEMENT),
        # The pooler's only server connection is taken by the first of the two that look.
        (replace(PGBOUNCER_SESSION, servers=1), Pooling.SESSION),
    ],
    ids=["direct", "session", "transaction", "transaction-3", "statement", "session-1"],
)
def test_what_is_between_us_and_postgresql_is_found(
    acme: TenantIdentity, poolers: Poolers, way: Mode, found: Pooling
) -> None:
    with connected(way, poolers):
        assert probe.inspect_route(connection.get_connection_params()).pooling is found


def test_session_settings_behind_a_transaction_pooler_are_refused_before_any_statement(
    acme: TenantIdentity, poolers: Poolers
) -> None:
    def read() -> None:
        with context.tenant(acme), connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    with connected(UNSAFE, poolers):
        refusals = at_once([read, read])
        assert [type(refusal) for refusal in refusals] == [UnsafeRouteError] * 2
        assert "Set DATABASE_POOL_MODE=transaction" in str(refusals[0])


def test_a_process_refuses_to_start_there(acme: TenantIdentity, poolers: Poolers) -> None:
    with connected(UNSAFE, poolers), pytest.raises(UnsafeRouteError, match="pool_mode"):
        probe.look_at_start()


def test_a_database_that_is_down_stops_no_start(
    acme: TenantIdentity, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(DIRECT, Poolers()):
        connection.settings_dict["PORT"] = "9"
        probe.look_at_start()
    assert "cannot be reached" in caplog.text


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param((DIRECT, None), id="direct"),
        pytest.param((PGBOUNCER_TRANSACTION, None), id="transaction"),
        pytest.param((UNSAFE, "tenants.E003"), id="unsafe"),
        pytest.param(
            (replace(PGBOUNCER_TRANSACTION, pooler="statement"), "tenants.E003"), id="statement"
        ),
    ],
)
def test_the_system_check_says_so(
    acme: TenantIdentity, poolers: Poolers, outcome: tuple[Mode, str | None]
) -> None:
    way, expected = outcome

    with connected(way, poolers), context.operator():
        if expected is None:
            call_command("check", databases=["default"], verbosity=0)
        else:
            with pytest.raises(SystemCheckError, match=expected):
                call_command("check", databases=["default"], verbosity=0)


def test_migrations_through_a_transaction_pooler_are_refused(
    acme: TenantIdentity, poolers: Poolers
) -> None:
    profile = replace(connection.profile, uses_roles=False)
    route = probe.Route(Pooling.TRANSACTION, 180000)
    assert "MIGRATION_DATABASE_URL" in str(probe.refusal(route, profile))


def test_an_old_server_is_refused(acme: TenantIdentity) -> None:
    route = probe.Route(Pooling.NONE, 130010)
    assert probe.refusal(route, connection.profile) == (
        "PostgreSQL 13 is too old; 14 is the oldest supported."
    )


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import config.asgi"],
        ["-c", "import config.wsgi"],
        ["-m", "celery", "-A", "config.celery", "worker", "--pool", "solo"],
    ],
    ids=["asgi", "wsgi", "worker"],
)
def test_web_and_worker_end_with_the_remedy(
    acme: TenantIdentity, poolers: Poolers, command: list[str]
) -> None:
    usual = urlsplit(os.environ["DATABASE_URL"])
    login = usual.netloc.rpartition("@")[0]
    pooled = usual._replace(netloc=f"{login}@127.0.0.1:{poolers.port('transaction', 1)}")

    process = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "DATABASE_URL": urlunsplit(pooled), "DATABASE_POOL_MODE": "session"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert process.returncode != 0
    assert "Set DATABASE_POOL_MODE=transaction" in process.stderr
