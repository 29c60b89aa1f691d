"""Several outboxes in one batch."""

import threading
from collections.abc import Iterator, Sequence

import psycopg
import pytest
from django.conf import settings

from shared_apps.audit import triggers
from shared_apps.audit.transfer import Claim, OwnerChangedError, move_batch
from shared_apps.core.context import TenantIdentity
from tests.audit_chains import administrator
from tests.installation import Installation
from tests.relays import (
    assert_each_is_in_the_trail_once,
    change_vendors,
    new_relay,
    taken_back,
    waiting,
)
from tests.waiting import wait_until


@pytest.fixture
def tenants(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[list[TenantIdentity]]:
    with taken_back([acme, globex]):
        yield [acme, globex]


def _claims(tenants: Sequence[TenantIdentity], limit: int) -> list[Claim]:
    return [Claim(tenant.schema, tenant.id, limit) for tenant in tenants]


def test_outboxes_with_few_changes_share_a_commit(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    system.relay()
    with administrator() as audit:
        before = dict(audit.execute("SELECT tenant_id, sequence FROM audit.chain").fetchall())
    for tenant in tenants:
        change_vendors(tenant, count=2)
    new_relay().run_once()

    with administrator() as audit:
        stored = [
            audit.execute(
                "SELECT count(*), array_agg(DISTINCT xmin::text) FROM audit.entry"
                " WHERE tenant_id = %s AND sequence > %s",
                [tenant.id, before[tenant.id]],
            ).fetchone()
            for tenant in tenants
        ]
    assert stored[0] == stored[1]
    assert stored[0] is not None
    assert (stored[0][0], len(stored[0][1])) == (8, 1)
    assert assert_each_is_in_the_trail_once(tenants) == 16


def test_a_batch_of_several_outboxes_is_moved_whole_or_not_at_all(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    """Globex' schema is said to be acme's, so that nothing of it may be moved."""
    acme, globex = tenants
    for tenant in tenants:
        change_vendors(tenant, count=5)
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
        psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
    ):
        source.execute("SET timezone = 'UTC'")
        entities = triggers.entity_names()
        wrong = [Claim(acme.schema, acme.id, 100), Claim(globex.schema, acme.id, 100)]
        with pytest.raises(OwnerChangedError):
            move_batch(source=source, target=target, claims=wrong, entities=entities)
        left = [waiting(tenant) for tenant in tenants]
        moved = move_batch(
            source=source, target=target, claims=_claims(tenants, 15), entities=entities
        )

    assert left == [20, 20]
    assert moved == {acme.schema: 15, globex.schema: 15}
    assert [waiting(tenant) for tenant in tenants] == [5, 5]
    system.relay()
    assert assert_each_is_in_the_trail_once(tenants) == 40


@pytest.mark.parametrize("names", [[], ["hashjoin", "mergejoin", "hashagg", "material", "sort"]])
def test_a_claim_takes_no_more_than_it_says_however_it_is_planned(
    system: Installation, tenants: list[TenantIdentity], names: list[str]
) -> None:
    for tenant in tenants:
        change_vendors(tenant, count=5)
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
        psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
    ):
        source.execute("SET timezone = 'UTC'")
        for name in names:
            source.execute(f"SET enable_{name} = off")
        moved = move_batch(
            source=source, target=target, claims=_claims(tenants, 15),
            entities=triggers.entity_names(),
        )  # fmt: skip

    assert moved == {tenant.schema: 15 for tenant in tenants}
    assert [waiting(tenant) for tenant in tenants] == [5, 5]
    system.relay()
    assert assert_each_is_in_the_trail_once(tenants) == 40


def test_trails_are_taken_in_one_order_whatever_that_of_the_outboxes(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    """Two relays that add to the same two trails would otherwise wait for each other for ever."""
    first, second = sorted(tenants, key=lambda tenant: tenant.id)
    for tenant in tenants:
        change_vendors(tenant, count=2)
    lock = "SELECT FROM audit.chain WHERE tenant_id = %s FOR UPDATE NOWAIT"
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
        psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
        administrator() as holding,
        administrator() as asking,
    ):
        source.execute("SET timezone = 'UTC'")
        holding.execute("BEGIN")
        holding.execute(lock, [first.id])

        def move() -> None:
            move_batch(
                source=source, target=target, claims=_claims([second, first], 100),
                entities=triggers.entity_names(),
            )  # fmt: skip

        thread = threading.Thread(target=move)
        thread.start()
        waits = "SELECT %s = ANY(pg_blocking_pids(%s))"
        pids = [holding.info.backend_pid, target.info.backend_pid]
        try:
            wait_until(
                lambda: asking.execute(waits, pids).fetchone() == (True,), "it waits for the first"
            )
            asking.execute(lock, [second.id])
        finally:
            holding.rollback()
            thread.join(30)

    assert [waiting(tenant) for tenant in tenants] == [0, 0]
    assert assert_each_is_in_the_trail_once(tenants) == 16
