"""The audit database goes away while eight write and a relay works: work goes on, and each change arrives once."""

import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from psycopg import conninfo, sql

from scripts.stack.binaries import ensure_binaries
from scripts.stack.postgres import EmbeddedPostgres
from shared_apps.audit import installation as audit
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.links import Link
from tests.relays import (
    CHANGES_OF_A_VENDOR,
    Writers,
    assert_each_is_in_the_trail_once,
    at_work,
    wait_until_moved,
    waiting,
)
from tests.volumes import WHY_NOT, fill, mounted
from tests.waiting import wait_until

_SECONDS = float(os.environ.get("FREEHOLD_TEST_OUTAGE", "1"))
_DISK = 400 * 2**20  # bytes
_STOPS = int(os.environ.get("FREEHOLD_TEST_STOPS", "1"))


@dataclass(frozen=True)
class Apart:
    server: EmbeddedPostgres
    link: Link
    """The relay's way to it."""
    ballast: Path | None
    """Fills its disk; None where no small one could be had."""


@pytest.fixture
def apart(system: Installation, settings: Any) -> Iterator[Apart]:
    """A durable server of its own, on a small disk, that holds the audit database while the test runs."""
    system.relay()
    with (
        tempfile.TemporaryDirectory(prefix="freehold-audit-") as directory,
        mounted(Path(directory), size=_DISK) as is_small,
    ):
        server = EmbeddedPostgres(Path(directory) / "postgres", binaries=ensure_binaries())
        server.start()
        link = Link(server.port)
        try:
            settings.AUDIT_ADMIN_DATABASE_URL = server.url
            for name in audit.SETTINGS:
                url = conninfo.make_conninfo(getattr(settings, name), port=server.port)
                setattr(settings, name, url)
            audit.install()
            settings.AUDIT_DATABASE_URL = conninfo.make_conninfo(
                settings.AUDIT_DATABASE_URL, host="127.0.0.1", port=link.port
            )
            yield Apart(server, link, Path(directory) / "ballast" if is_small else None)
        finally:
            link.close()
            server.stop()


@contextmanager
def stopped(apart: Apart) -> Iterator[None]:
    """As a machine that loses its power: what was not on the disk is gone."""
    server = apart.server
    assert server.process is not None
    server.process.send_signal(signal.SIGQUIT)
    server.process.wait(30)
    yield
    server.restart()
    wait_until(server.is_ready, "it has recovered")


@contextmanager
def refusing(apart: Apart) -> Iterator[None]:
    with _administrator(apart.server) as admin:
        name = _audit_database()
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
        _cut(admin)
        yield
        admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


@contextmanager
def read_only(apart: Apart) -> Iterator[None]:
    with _administrator(apart.server) as admin:
        admin.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        admin.execute("SELECT pg_reload_conf()")
        _cut(admin)
        yield
        admin.execute("SET default_transaction_read_only = off")
        admin.execute("ALTER SYSTEM RESET default_transaction_read_only")
        admin.execute("SELECT pg_reload_conf()")


@contextmanager
def full(apart: Apart) -> Iterator[None]:
    if apart.ballast is None:
        pytest.skip(WHY_NOT)
    fill(apart.ballast)
    yield
    apart.ballast.unlink()
    with suppress(AssertionError):
        wait_until(apart.server.is_ready, "it has gone on", timeout=5)
        return
    # PostgreSQL stops when there is no space for its log.
    apart.server.restart()
    wait_until(apart.server.is_ready, "it has recovered")


@contextmanager
def cut_off(apart: Apart) -> Iterator[None]:
    apart.link.cut("there", "back")
    yield
    apart.link.mend()


@contextmanager
def unheard(apart: Apart) -> Iterator[None]:
    """It gets what the relay sends, and its answers are on their way."""
    apart.link.cut("back")
    yield
    apart.link.mend()


@pytest.mark.parametrize("outage", [stopped, refusing, read_only, full, cut_off, unheard])
def test_nothing_is_lost_or_twice(
    apart: Apart,
    acme: TenantIdentity,
    globex: TenantIdentity,
    outage: Callable[[Apart], Any],
) -> None:
    tenants = [acme, globex]
    with at_work(), Writers(tenants) as writers:
        for _ in range(_STOPS):
            wait_until(lambda: any(map(waiting, tenants)), "the relay has something in hand")
            with outage(apart):
                writers.wait_for_more()
                before = sum(map(waiting, tenants))
                time.sleep(_SECONDS)
                # On a full disk there is room for some in pages that are there already.
                wait_until(lambda: sum(map(waiting, tenants)) > before, "changes wait", timeout=60)  # noqa: B023 (at once)
        writers.stop()
        wait_until_moved(tenants, timeout=60 + 4 * _STOPS * _SECONDS)

    moved = assert_each_is_in_the_trail_once(tenants)
    assert moved == writers.vendors * CHANGES_OF_A_VENDOR
    print(f"{_STOPS} outages of {_SECONDS:.0f} s, {moved} changes")


@pytest.mark.parametrize("which", [["tenants"], ["audit"], ["tenants", "audit"]])
def test_servers_crash_under_eight_writers(
    apart: Apart, acme: TenantIdentity, globex: TenantIdentity, which: list[str]
) -> None:
    """Each of their processes ends at once, and they recover from their logs."""
    urls = {"tenants": settings.ADMIN_DATABASE_URL, "audit": settings.AUDIT_ADMIN_DATABASE_URL}
    tenants = [acme, globex]
    with durable(settings.ADMIN_DATABASE_URL), at_work(), Writers(tenants, patient=True) as writers:
        for _ in range(_STOPS):
            writers.wait_for_more()
            for server in which:
                _crash(urls[server])
            for server in which:
                wait_until(lambda: _is_ready(urls[server]), "it has recovered", timeout=60)  # noqa: B023 (at once)
        writers.wait_for_more()
        writers.stop()
        connections.close_all()
        wait_until_moved(tenants)

    moved = assert_each_is_in_the_trail_once(tenants)
    # Of a change that was cut off nobody knows; all that were said to be done are there.
    assert moved >= writers.vendors * CHANGES_OF_A_VENDOR
    print(f"{_STOPS} crashes of {' and '.join(which)}, {moved} changes")


@contextmanager
def durable(url: str) -> Iterator[None]:
    """The tenants' database waits for its log, as outside of tests: a commit that was seen is kept."""
    name = sql.Identifier(settings.DATABASES["default"]["NAME"])

    def set_to(value: str) -> None:
        connections.close_all()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(sql.SQL("ALTER DATABASE {} " + value).format(name))

    set_to("SET synchronous_commit = on")
    try:
        yield
    finally:
        set_to("RESET synchronous_commit")


def _crash(url: str) -> None:
    with suppress(psycopg.OperationalError), psycopg.connect(url, autocommit=True) as admin:
        # A server whose process was killed ends all others at once.
        admin.execute("COPY (SELECT) TO PROGRAM 'kill -9 $PPID'")


def _is_ready(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=5) as admin:
        admin.execute("SELECT")
        return True
    return False


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
