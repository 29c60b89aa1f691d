"""What is kept, for how long, and when not; the parts of several processes are played in one."""

import json
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings

from shared_apps.core import caching, context
from shared_apps.core.caching import CacheState, Entity, Found, Tier, names
from shared_apps.core.caching.remembering import LARGEST_BYTES
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from tenant_apps.invoicing.models import Vendor
from tests import caches
from tests.waiting import wait_until

VENDORS = caching.declare("tests.vendors", reads=("invoicing.Vendor",))
SECRETS = caching.declare("tests.secrets", reads=("invoicing.Vendor",), is_restricted=True)


@pytest.fixture
def redis() -> Iterator[Any]:
    with caches.connect() as client:
        yield client


@pytest.fixture
def at_acme(acme: TenantIdentity) -> Iterator[TenantIdentity]:
    with context.tenant(acme):
        yield acme


def add() -> None:
    Vendor.objects.create(name="Any", created_by=uuid4())


def count(
    *, tier: Tier = Tier.RESULTS, entity: Entity = VENDORS, compute: Callable[[], Any] | None = None
) -> Found:
    return caching.remember(
        entity, tier=tier, filters={}, permissions=["read"], compute=compute or Vendor.objects.count
    )


def elsewhere(work: Callable[[], object], tenant: TenantIdentity) -> None:
    """In a thread with a connection of its own, as another process has."""

    def run() -> None:
        try:
            with context.tenant(tenant):
                work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def name_of(tier: Tier = Tier.RESULTS) -> names.Name:
    return names.name_of(VENDORS, tier=tier, filters={}, permissions=["read"])


@pytest.mark.parametrize("tier", Tier)
def test_each_tier_has_its_time(at_acme: TenantIdentity, redis: Any, tier: Tier) -> None:
    assert count(tier=tier) == Found(0, CacheState.MISS)
    assert count(tier=tier) == Found(0, CacheState.HIT)
    (entry,) = caches.entries(redis, at_acme, tier)
    left = redis.ttl(entry)
    if tier.seconds is None:
        assert left == -1
    else:
        assert tier.seconds * 0.85 < left <= tier.seconds
    add()
    assert count(tier=tier) == Found(1, CacheState.MISS)
    # The new one stands in the place of the old one: nothing is left that never ends.
    assert caches.entries(redis, at_acme, tier) == [entry]


def test_nothing_of_what_is_restricted_is_written(at_acme: TenantIdentity, redis: Any) -> None:
    assert [count(entity=SECRETS).state for _ in range(2)] == [CacheState.BYPASS] * 2
    assert caches.everything(redis) == []


def test_on_nobodys_behalf_nothing_is_kept(at_acme: TenantIdentity) -> None:
    with context.nobody(), pytest.raises(TenantContextRequired):
        count(compute=lambda: 1)


def test_what_changes_while_it_is_computed_is_not_kept(at_acme: TenantIdentity, redis: Any) -> None:
    def compute() -> int:
        found = Vendor.objects.count()
        elsewhere(add, at_acme)
        return found

    assert count(compute=compute) == Found(0, CacheState.MISS)
    assert caches.entries(redis, at_acme) == []
    assert count() == Found(1, CacheState.MISS)
    assert count() == Found(1, CacheState.HIT)


def test_one_computes_what_is_old_and_the_others_are_shown_it(
    at_acme: TenantIdentity, redis: Any
) -> None:
    count()
    caches.make_old(redis, caches.entries(redis, at_acme)[0])
    seen: list[Found] = []

    def compute() -> int:
        elsewhere(lambda: seen.append(count()), at_acme)
        return 5

    assert count(compute=compute) == Found(5, CacheState.MISS)
    assert seen == [Found(0, CacheState.STALE)]
    assert count() == Found(5, CacheState.HIT)


def test_a_change_hides_what_is_old_even_while_it_is_computed(
    at_acme: TenantIdentity, redis: Any
) -> None:
    count()
    caches.make_old(redis, caches.entries(redis, at_acme)[0])
    seen: list[Found] = []

    def compute() -> int:
        elsewhere(add, at_acme)
        elsewhere(lambda: seen.append(count()), at_acme)
        return 0

    count(compute=compute)
    assert seen == [Found(1, CacheState.MISS)]
    assert count() == Found(1, CacheState.HIT)


def test_who_computes_and_fails_lets_the_next_one(at_acme: TenantIdentity) -> None:
    with pytest.raises(ZeroDivisionError):
        count(compute=lambda: 1 // 0)
    assert count() == Found(0, CacheState.MISS)
    with pytest.raises(TypeError):
        count(tier=Tier.ENTITIES, compute=object)
    assert count(tier=Tier.ENTITIES) == Found(0, CacheState.MISS)


def test_who_computes_and_dies_is_waited_for_no_longer_than_their_lease(
    at_acme: TenantIdentity, redis: Any
) -> None:
    count()
    version = redis.get(name_of().standing.version).decode()
    redis.delete(name_of().entry)
    redis.set(name_of().lock, f"{version}:dead", px=300)
    assert count() == Found(0, CacheState.MISS)
    assert count() == Found(0, CacheState.HIT)


def test_a_process_that_dies_after_its_commit_has_left_word(
    at_acme: TenantIdentity, redis: Any
) -> None:
    count()

    def die() -> None:
        with transaction.atomic():
            add()
            connection.run_on_commit.clear()  # what would have been done after the commit

    elsewhere(die, at_acme)
    (writer,) = redis.zrange(name_of().standing.writers, 0, -1)
    redis.zadd(name_of().standing.writers, {writer: 1})  # its time is over
    assert count() == Found(1, CacheState.MISS)
    assert count() == Found(1, CacheState.HIT)


def test_versions_that_redis_has_lost_do_not_come_back(at_acme: TenantIdentity, redis: Any) -> None:
    count()
    redis.delete(name_of().standing.version)
    assert count().state is CacheState.MISS


def test_what_somebody_else_has_written_is_computed_again(
    at_acme: TenantIdentity, redis: Any
) -> None:
    count()
    redis.hset(name_of().entry, "value", b"\x80\x04K\x01.")
    assert count() == Found(0, CacheState.MISS)


def test_what_is_too_large_is_computed_each_time(at_acme: TenantIdentity, redis: Any) -> None:
    for _ in range(2):
        assert count(compute=lambda: "x" * LARGEST_BYTES).state is CacheState.MISS
    assert caches.everything(redis) == [name_of().standing.version.encode()]


def test_sql_that_goes_round_the_orm_says_it_itself(at_acme: TenantIdentity) -> None:
    count()
    states: list[CacheState] = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE invoicing_vendor SET name = name")
        caching.invalidate(VENDORS)
        elsewhere(lambda: states.append(count().state), at_acme)
    assert states == [CacheState.HIT]  # it was not committed yet
    assert count().state is CacheState.MISS


def test_a_change_that_could_not_be_told_is_told_later(at_acme: TenantIdentity, redis: Any) -> None:
    count()
    # As in an outage, for this process alone.
    redis.client_pause(1500, all=True)
    with override_settings(CACHE_TIMEOUT_MS=50):
        add()
        assert count() == Found(1, CacheState.MISS)
        wait_until(lambda: count().state is CacheState.HIT, "results are kept again")
        assert count() == Found(1, CacheState.HIT)


def test_the_command_says_how_much_is_kept(
    acme: TenantIdentity, globex: TenantIdentity, redis: Any
) -> None:
    def told(*words: str) -> Any:
        output = StringIO()
        call_command("cached", *words, "--json", stdout=output)
        return json.loads(output.getvalue())

    assert told() == []
    with context.tenant(acme):
        count(tier=Tier.DIMENSIONS)
        used = redis.memory_usage(name_of(Tier.DIMENSIONS).entry)
    mine = [{"tenant": "acme", "tier": "dimensions", "entries": 1, "bytes": used}]
    assert told() == told("acme") == mine
    assert told("globex") == []
    with pytest.raises(CommandError, match="no such tenant"):
        told("nobody")
