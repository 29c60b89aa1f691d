"""The audit database goes away while eight write and a relay works: work goes on, and each change arrives once."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from scripts.stack.binaries import ensure_binaries
from scripts.stack.postgres import EmbeddedPostgres
from shared_apps.audit import installation as audit
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.relays import (
    CHANGES_OF_A_VENDOR,
    Writers,
    assert_each_is_in_the_trail_once,
    at_work,
    wait_until_moved,
    waiting,
)
from tests.waiting import wait_until

_SECONDS = float(os.environ.get("FREEHOLD_TEST_OUTAGE", "1"))
_STOPS = int(os.environ.get("FREEHOLD_TEST_STOPS", "1"))


@pytest.fixture
def apart(system: Installation, settings: Any) -> Iterator[EmbeddedPostgres]:
    """A durable server of its own that holds the audit database while the test runs."""
    system.relay()
    with tempfile.TemporaryDirectory(prefix="freehold-audit-") as directory:
        server = EmbeddedPostgres(Path(directory) / "postgres", binaries=ensure_binaries())
        server.start()
        try:
            settings.AUDIT_ADMIN_DATABASE_URL = server.url
            for name in audit.SETTINGS:
                url = conninfo.make_conninfo(getattr(settings, name), port=server.port)
                setattr(settings, name, url)
            audit.install()
            yield server
        finally:
            server.stop()


@contextmanager
def stopped(server: EmbeddedPostgres) -> Iterator[None]:
    """As a machine that loses its power: what was not on the disk is gone."""
    assert server.process is not None
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(30)
    yield
    server.restart()
    wait_until(server.is_ready, "it has recovered")


@contextmanager
def refusing(server: EmbeddedPostgres) -> Iterator[None]:
    with _administrator(server) as admin:
        name = _audit_database()
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _cut(admin)
        yield
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@contextmanager
def read_only(server: EmbeddedPostgres) -> Iterator[None]:
    with _administrator(server) as admin:
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        _cut(admin)
        yield
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("outage", [stopped, refusing, read_only])
def test_nothing_is_lost_or_twice(
    apart: EmbeddedPostgres,
    acme: TenantIdentity,
    globex: TenantIdentity,
    outage: Callable[[EmbeddedPostgres], Any],
) -> None:
    tenants = [acme, globex]
    with at_work(), Writers(tenants) as writers:
        for _ in range(_STOPS):
            wait_until(lambda: any(map(waiting, tenants)), "the relay has something in hand")
            with outage(apart):
                writers.wait_for_more()
                before = sum(map(waiting, tenants))
                time.sleep(_SECONDS)
                writers.wait_for_more()
                assert sum(map(waiting, tenants)) > before
        writers.stop()
        wait_until_moved(tenants)

    moved = assert_each_is_in_the_trail_once(tenants)
    assert moved == writers.vendors * CHANGES_OF_A_VENDOR
    print(f"{_STOPS} outages of {_SECONDS:.0f} s, {moved} changes")


@contextmanager
def _administrator(server: EmbeddedPostgres) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server.url, autocommit=True) as admin:
        yield admin


def _audit_database() -> sql.Identifier:
    return sql.Identifier(audit.Logins.from_settings().owner.database)


def _cut(admin: psycopg.Connection[Any]) -> None:
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
    )
