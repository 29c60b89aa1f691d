"""A server process that has met enough tenants is replaced between two pieces of work, never within one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import close_old_connections, connection, connections, transaction

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.database import recycling
from tenant_apps.invoicing.models import Vendor
from tests.installation import Installation
from tests.isolation.modes import (  # fmt: skip
    DIRECT,
    PGBOUNCER_TRANSACTION,
    Mode,
    Poolers,
    default_connection,
    settings_of,
)
from tests.waiting import wait_until

ONE_TENANT = 1
# Of one connection, so that the order in which processes answer is known.
POOL = Mode("psycopg-pool", "session", psycopg_pool=1)


@contextmanager
def limited(mode: Mode, poolers: Poolers, *, tenants: int) -> Iterator[None]:
    """Each connection of `default` is kept for a minute and meets so many tenants."""
    ways = settings_of(mode, poolers)
    kept = {"CONN_MAX_AGE": 0 if mode.psycopg_pool else 60}
    with default_connection(**{**ways, **kept, "TENANTS_PER_CONNECTION": tenants}):
        yield


def server_process() -> int:
    connection.ensure_connection()
    return connection.connection.info.backend_pid


def read(tenant: TenantIdentity) -> tuple[int, Any]:
    """Which process answered, and as whom."""
    with context.tenant(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid(), current_user")
        pid, role = cursor.fetchone()
    return pid, role


def living(pids: set[int]) -> set[int]:
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        rows = admin.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)", [list(pids)])
        return {row[0] for row in rows}


@pytest.mark.parametrize("mode", [DIRECT, POOL], ids=lambda mode: mode.name)
def test_a_process_is_replaced_after_its_last_tenant_and_serves_nobody_after(
    mode: Mode, poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limited(mode, poolers, tenants=ONE_TENANT):
        served: dict[int, set[str]] = {}
        for tenant in (acme, acme, globex, globex, acme, globex):
            pid, role = read(tenant)
            served.setdefault(pid, set()).add(role)
            close_old_connections()
        # acme and globex, then anew.
        both = {acme.role, globex.role}
        assert list(served.values()) == [both, both, {globex.role}]
        first, second, third = served
        wait_until(lambda: living({first, second}) == set(), "two processes end")
        assert living({third}) == {third}
        if mode.psycopg_pool:
            assert connection.pool.get_stats().get("returns_bad", 0) == 0


def test_within_the_limit_a_process_stays(
    poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for limit in (2, 0):
        with limited(DIRECT, poolers, tenants=limit):
            pids = set()
            for tenant in (acme, globex, acme, globex):
                pids.add(read(tenant)[0])
                close_old_connections()
            assert len(pids) == 1


def test_the_operator_and_statements_of_one_tenant_do_not_count(
    poolers: Poolers, acme: TenantIdentity
) -> None:
    with limited(DIRECT, poolers, tenants=ONE_TENANT):
        before = read(acme)[0]
        for _ in range(3):
            with context.operator(), connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            read(acme)
            close_old_connections()
        assert read(acme)[0] == before


@pytest.mark.parametrize("mode", [DIRECT, POOL], ids=lambda mode: mode.name)
def test_a_transaction_keeps_its_process_whatever_asks_meanwhile(
    mode: Mode, poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limited(mode, poolers, tenants=ONE_TENANT):
        with transaction.atomic():
            before = read(acme)[0]
            with context.tenant(globex):
                vendor = Vendor.objects.create(name="kept", created_by=acme.id)
            assert recycling.renew("default") is False
            assert read(acme)[0] == before
        with context.tenant(globex):
            assert Vendor.objects.get(id=vendor.id).name == "kept"
        assert recycling.renew("default") is True
        assert read(acme)[0] != before


def test_a_connection_that_was_replaced_leaves_nothing_open(
    poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limited(POOL, poolers, tenants=ONE_TENANT):
        pids = set()
        for _ in range(20):
            for tenant in (acme, globex):
                pids.add(read(tenant)[0])
            close_old_connections()
        assert len(pids) >= 10
        wait_until(lambda: len(living(pids)) <= POOL.psycopg_pool, "processes end")
        assert connection.pool.get_stats()["pool_size"] <= POOL.psycopg_pool


def test_behind_a_pooler_that_shares_connections_ours_are_kept(
    poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limited(PGBOUNCER_TRANSACTION, poolers, tenants=ONE_TENANT):
        before = server_process()
        for tenant in (acme, globex, acme):
            with transaction.atomic():
                read(tenant)
            close_old_connections()
        assert server_process() == before


def test_a_command_over_all_tenants_replaces_its_connection_between_two(
    system: Installation, poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with limited(DIRECT, poolers, tenants=ONE_TENANT), attribution.acting(
        attribution.command("test")
    ):  # fmt: skip
        with context.operator():
            before = server_process()
        call_command("portfolio", "rebuild", verbosity=0)
        assert server_process() != before
        assert "migration" in connections
