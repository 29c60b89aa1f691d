"""Several relays at once, outboxes that cannot be moved, and what the relays tell of themselves."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from psycopg import sql

from shared_apps.audit import condition, health, triggers
from shared_apps.audit.errors import OutboxesLeftError
from shared_apps.audit.relay.sessions import opened
from shared_apps.audit.relay.shards import COUNT, Shards, shard_of
from shared_apps.audit.transfer import Claim, OwnerChangedError, move_batch
from shared_apps.core.context import TenantIdentity
from shared_apps.core.databases import Database
from tests.audit_chains import administrator
from tests.installation import Installation
from tests.relays import (
    QUICK,
    assert_each_is_in_the_trail_once,
    at_work,
    change_vendors,
    end,
    new_relay,
    taken_back,
    wait_until_moved,
    waiting,
)
from tests.waiting import wait_until


@pytest.fixture
def tenants(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[list[TenantIdentity]]:
    with taken_back([acme, globex]):
        yield [acme, globex]


def _held() -> dict[int, int]:
    """Process → how many shards it says it works on; of those that were seen just now."""
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as audit:
        relays = condition.list_relays(audit)
    return {relay.process_id: len(relay.shards) for relay in relays if relay.is_alive}


# -- shards -----------------------------------------------------------------------------------------


def test_sessions_share_the_shards_and_inherit_those_of_one_that_ends(
    system: Installation,
) -> None:
    url = settings.AUDIT_DATABASE_URL
    with (
        psycopg.connect(url, autocommit=True) as first,
        psycopg.connect(url, autocommit=True) as second,
    ):
        one, two = Shards(first), Shards(second)
        one.join()
        one.balance()
        alone = set(one.held)
        two.join()
        two.balance()
        nothing_is_free = set(two.held)
        one.balance()
        two.balance()
        shared = (set(one.held), set(two.held))
        first.close()
        wait_until(lambda: two.balance() or len(two.held) == COUNT, "the first session has ended")

        assert alone == set(range(COUNT))
        assert nothing_is_free == set()
        assert [len(part) for part in shared] == [COUNT // 2, COUNT // 2]
        assert shared[0] | shared[1] == set(range(COUNT))
        assert two.held == set(range(COUNT))


def test_two_relays_share_the_work_and_one_takes_all_when_the_other_is_killed(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    with at_work() as one, at_work() as two:
        wait_until(lambda: _held() == {one: COUNT // 2, two: COUNT // 2}, "both have half")
        for tenant in tenants:
            change_vendors(tenant, count=50)
        os.kill(one, signal.SIGKILL)
        end(one)
        for tenant in tenants:
            change_vendors(tenant, count=50)
        wait_until_moved(tenants)
        wait_until(lambda: _held().get(two) == COUNT, "the other one works on all shards")

    assert assert_each_is_in_the_trail_once(tenants) == 800


def test_once_waits_for_what_another_relay_moves(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    for tenant in tenants:
        change_vendors(tenant, count=100)
    with at_work() as relay:
        wait_until(lambda: _held().get(relay) == COUNT, "the other one works on all shards")
        new_relay().run_once()

        assert [waiting(tenant) for tenant in tenants] == [0, 0]
    assert assert_each_is_in_the_trail_once(tenants) == 800


# -- a relay that stands still ----------------------------------------------------------------------


def test_a_relay_that_was_stopped_loses_its_shards_and_spoils_nothing_when_it_goes_on(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    with at_work() as one:
        wait_until(lambda: _held().get(one) == COUNT, "it works")
        for tenant in tenants:
            change_vendors(tenant, count=60)
        os.kill(one, signal.SIGSTOP)
        with at_work() as two:
            wait_until(lambda: _held().get(two) == COUNT, "the second has taken over", timeout=60)
            wait_until_moved(tenants)
            for tenant in tenants:
                change_vendors(tenant, count=60)
            os.kill(one, signal.SIGCONT)
            wait_until(
                lambda: _held() == {one: COUNT // 2, two: COUNT // 2},
                "they share the work",
                timeout=60,
            )
            wait_until_moved(tenants)

    assert assert_each_is_in_the_trail_once(tenants) == 960


def test_a_relay_that_was_stopped_within_a_pipeline_loses_its_shards(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    """Its session counts as busy, and no timeout of the server's ends it."""
    with opened(settings.AUDIT_DATABASE_URL, Database.AUDIT, patience=QUICK) as stopped:
        shards = Shards(stopped)
        shards.join()
        shards.balance()
        with at_work() as relay, pytest.raises(psycopg.OperationalError), stopped.pipeline():  # noqa: PT012 (it is ended when the other one begins)
            # Sent, and no end of the pipeline after it.
            stopped.execute("SELECT 1")
            wait_until(lambda: _held().get(relay) == COUNT, "another has its shards", timeout=60)


def test_what_another_relay_has_claimed_is_not_overtaken(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    """A relay that has lost its shard may still hold its claim: nothing is moved past that."""
    acme, globex = tenants
    for tenant in tenants:
        change_vendors(tenant, count=10)
    with psycopg.connect(settings.RELAY_DATABASE_URL) as other:
        other.execute(
            f"DELETE FROM {acme.schema}.audit_outbox WHERE id IN (SELECT min(id) FROM {acme.schema}.audit_outbox)"
        )  # type: ignore[arg-type]
        with pytest.raises(OutboxesLeftError) as raised:
            new_relay().run_once()
        left = waiting(acme), waiting(globex)
        other.rollback()

    assert raised.value.reasons.keys() == {acme.schema}
    assert left == (40, 0)
    system.relay()
    assert assert_each_is_in_the_trail_once(tenants) == 80


def test_a_schema_that_was_made_anew_for_another_tenant_is_not_moved_as_the_old_ones(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    acme, globex = tenants
    change_vendors(acme, count=5)
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
        psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
        pytest.raises(OwnerChangedError),
    ):
        move_batch(
            source=source, target=target, entities=triggers.entity_names(),
            claims=[Claim(acme.schema, globex.id, 100)],
        )  # fmt: skip

    assert waiting(acme) == 20
    system.relay()
    assert assert_each_is_in_the_trail_once(tenants) == 20


# -- outboxes that fail -----------------------------------------------------------------------------


@contextmanager
def _poisoned(system: Installation, tenant: TenantIdentity) -> Iterator[None]:
    """A change that the audit database refuses, after those that are there."""
    outbox = sql.Identifier(tenant.schema, "audit_outbox")
    with system.owner() as owner:
        owner.execute(
            sql.SQL(
                "INSERT INTO {} (table_name, operation, database_role) VALUES ('x', 'RENAME', 'x')"
            ).format(outbox)
        )
    yield
    with system.owner() as owner:
        owner.execute(sql.SQL("DELETE FROM {} WHERE operation = 'RENAME'").format(outbox))


def test_one_tenants_bad_change_stops_nobody_else_and_the_changes_before_it_get_through(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    acme, globex = tenants
    change_vendors(acme, count=30)
    with _poisoned(system, acme), at_work():
        change_vendors(globex, count=20)
        wait_until(lambda: waiting(acme) == 1, "all but the bad change are moved", timeout=60)
        wait_until_moved([globex])
        wait_until(lambda: [f["schema"] for f in condition.examine().failing] == [acme.schema],
                   "the relay tells of it")  # fmt: skip
        reported = condition.examine().failing[0]
        findings = list(health.find_faults())
        change_vendors(globex, count=20)
        wait_until_moved([globex])
    system.relay()

    assert "entry_operation_check" in reported["reason"]
    assert [finding.subject for finding in findings] == [acme.schema]
    assert assert_each_is_in_the_trail_once(tenants) == 120 + 160


def test_once_names_the_tenants_whose_changes_stay(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    acme, globex = tenants
    for tenant in tenants:
        change_vendors(tenant, count=5)
    with _poisoned(system, acme):
        with pytest.raises(CommandError) as raised:
            call_command("audit", "relay", "--once", stdout=StringIO())
        left = waiting(acme), waiting(globex)

    assert acme.schema in str(raised.value)
    assert "entry_operation_check" in str(raised.value)
    assert globex.schema not in str(raised.value)
    assert left == (21, 0)
    system.relay()
    assert assert_each_is_in_the_trail_once(tenants) == 40


def test_an_outbox_that_is_locked_delays_nobody_else(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    acme, globex = tenants
    for tenant in tenants:
        change_vendors(tenant, count=20)
    with system.owner() as owner:
        owner.execute(f"LOCK TABLE {acme.schema}.audit_outbox")  # type: ignore[arg-type]
        with at_work():
            wait_until_moved([globex])
            owner.rollback()
            wait_until_moved([acme])

    assert assert_each_is_in_the_trail_once(tenants) == 160


def test_a_backlog_does_not_delay_others(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    """Of acme there is still something to move when globex' later changes are all moved."""
    acme, globex = tenants
    change_vendors(acme, count=500)
    relay = new_relay()
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        wait_until(lambda: relay.moved > 0, "it works")
        change_vendors(globex, count=5)
        wait_until_moved([globex])
        left = waiting(acme)
        wait_until_moved(tenants, timeout=120)
    finally:
        relay.stop()
        thread.join(30)

    assert left > 0
    assert assert_each_is_in_the_trail_once(tenants) == 2020


# -- what is told -----------------------------------------------------------------------------------


def test_status_tells_what_waits_and_who_moves_it(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    acme, globex = tenants
    system.relay()
    change_vendors(acme, count=5)
    change_vendors(globex, count=1)
    idle = _status()
    with at_work() as relay:
        wait_until(lambda: _held().get(relay) == COUNT, "it works")
        wait_until_moved(tenants)
        wait_until(lambda: _relay_of(_status(), relay)["moved"] == 24, "it has reported")
        working = _status()

    assert {(w["schema"], w["rows"], w["shard"]) for w in idle["waiting"]} == {
        (acme.schema, 20, shard_of(acme.schema)),
        (globex.schema, 4, shard_of(globex.schema)),
    }
    assert idle["rows"] == 24
    assert working["rows"] == 0
    assert working["waiting"] == []
    assert working["free_shards"] == []
    assert working["failing"] == []
    assert working["closed"] == []
    told = _relay_of(working, relay)
    assert told["is_alive"] is True
    assert told["shards"] == list(range(COUNT))
    assert datetime.fromisoformat(told["moved_at"]) <= datetime.now(UTC)


def test_a_relay_that_ends_as_told_leaves_no_trace_and_a_killed_one_is_told_of(
    system: Installation,
) -> None:
    with at_work() as killed:
        wait_until(lambda: killed in _held(), "it works")
    relay = new_relay()
    thread = threading.Thread(target=relay.run)
    thread.start()
    wait_until(lambda: os.getpid() in _held(), "it works")
    relay.stop()
    thread.join(30)

    assert os.getpid() not in _held()
    assert killed in _held()


def test_the_application_sees_how_relays_do_and_not_why_a_tenant_fails() -> None:
    with psycopg.connect(settings.AUDIT_READER_DATABASE_URL, autocommit=True) as reader:
        reader.execute("SELECT id, shards, moved, oldest_at FROM audit.relay")
        for forbidden in ("SELECT failing FROM audit.relay", "DELETE FROM audit.relay",
                          "SELECT audit.retire_relay(gen_random_uuid())"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(forbidden)
    with psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as writer:
        for forbidden in ("DELETE FROM audit.relay", "UPDATE audit.relay SET moved = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                writer.execute(forbidden)


def _status() -> dict[str, Any]:
    out = StringIO()
    call_command("audit", "status", "--json", stdout=out)
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def _relay_of(status: dict[str, Any], process_id: int) -> dict[str, Any]:
    found: dict[str, Any] = next(r for r in status["relays"] if r["process_id"] == process_id)
    return found


@pytest.fixture(autouse=True)
def _reports_are_removed() -> Iterator[None]:
    yield
    with administrator() as audit:
        audit.execute("DELETE FROM audit.relay")
