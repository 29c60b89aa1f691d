"""Each figure moves when what it counts happens."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.test import override_settings

from shared_apps.core import attribution, context, redis_keys
from shared_apps.core.context import TenantIdentity
from shared_apps.core.metrics import exposition, stored
from shared_apps.mail import services as mail
from shared_apps.mail.choices import MailKind
from shared_apps.tenants.models import Tenant
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.figures import Figures
from tests.installation import Installation
from tests.isolation.modes import POOL, Poolers, connected
from tests.relays import new_relay
from tests.workers import purge


def _now() -> Figures:
    """Without what was remembered of a moment ago."""
    stored._last.clear()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(redis_keys.installation("metrics"))
    with context.nobody():
        return Figures.of(exposition.text().decode())


def _difference(work: Callable[[], object], name: str, **labels: str) -> float:
    before = _now().get(name, **labels) or 0
    work()
    return (_now().get(name, **labels) or 0) - before


def test_cache(acme: TenantIdentity, globex: TenantIdentity) -> None:
    lookups, key = "freehold_cache_lookups_total", uuid4().hex
    with context.tenant(acme):
        cache.set(key, None)
        assert _difference(lambda: cache.get(key, "gone"), lookups, result="hit") == 1
    with context.tenant(globex):
        assert _difference(lambda: cache.get(key), lookups, result="miss") == 1
        assert cache.get(key, "none of mine") == "none of mine"


def test_tasks(acme: TenantIdentity, globex: TenantIdentity) -> None:
    count = "freehold_task_duration_seconds_count"

    def run() -> None:
        for tenant in (acme, globex):
            with context.tenant(tenant):
                probes.describe.apply()
                probes.fail.apply()

    of_describe = {"task": "probe.describe", "outcome": "success"}
    assert _difference(run, count, **of_describe) == 2
    assert _difference(run, count, task="probe.fail", outcome="failure") == 2


def test_queues(acme: TenantIdentity) -> None:
    queue = settings.CELERY_TASK_ROUTES["fleet.fill_spares"]["queue"]
    purge(queue)

    def send() -> None:
        with context.tenant(acme):
            for _ in range(3):
                probes.describe.apply_async(queue=queue)

    assert _difference(send, "freehold_queue_depth", queue=queue) == 3
    purge(queue)
    assert _now().get("freehold_queue_depth", queue=queue) == 0


def test_mail(acme: TenantIdentity, globex: TenantIdentity) -> None:
    def post() -> None:
        for tenant in (acme, globex):
            mail.post_mail(
                tenant_id=tenant.id, kind=MailKind.PASSWORD_CHANGED, recipient="a@b.example",
                variables={"host": "x", "name": "x", "tenant": "x", "link": "x"},
                at=datetime.now(UTC) - timedelta(hours=1),
            )  # fmt: skip

    assert _difference(post, "freehold_mails", state="pending") == 2
    assert 3600 <= (_now().get("freehold_mail_oldest_waiting_seconds") or 0) < 3900


def test_tenants(acme: TenantIdentity) -> None:
    def suspend() -> None:
        with context.operator():
            Tenant.objects.filter(id=acme.id).update(state="SUSPENDED")

    try:
        assert _difference(suspend, "freehold_tenants", state="suspended") == 1
    finally:
        with context.operator():
            Tenant.objects.filter(id=acme.id).update(state="ACTIVE")
    assert _now().get("freehold_tenants", state="active") == 2


def test_fleet(acme: TenantIdentity, system: Installation) -> None:
    spoil = "UPDATE fleet_schemaversion SET fingerprint = %s, error = %s WHERE schema_name = %s"
    with system.owner() as owner:
        owner.autocommit = True
        row = owner.execute(
            "SELECT fingerprint FROM fleet_schemaversion WHERE schema_name = %s", [acme.schema]
        ).fetchone()
        assert row is not None
        owner.execute(spoil, ["another", "boom", acme.schema])
        try:
            figures = _now()
        finally:
            owner.execute(spoil, [row[0], "", acme.schema])
    after = _now()
    for name in ("freehold_fleet_tenants_behind", "freehold_fleet_tenants_failed"):
        assert (figures.get(name), after.get(name)) == (1, 0)
    assert after.get("freehold_fleet_shared_schema_behind") == 0


def test_relay(acme: TenantIdentity, globex: TenantIdentity, system: Installation) -> None:
    system.relay()
    for tenant in (acme, globex):
        with context.tenant(tenant), attribution.acting(attribution.command("test")):
            Vendor.objects.create(name="x", created_by=uuid4())
    relay = new_relay()
    assert _difference(relay.run_once, "freehold_audit_moved_total") == 2
    figures = _now()
    assert figures.get("freehold_audit_outboxes_waiting") == 0
    assert figures.get("freehold_audit_outboxes_failing") == 0
    assert figures.get("freehold_audit_oldest_waiting_seconds") == 0


def test_connections(acme: TenantIdentity) -> None:
    in_use = "freehold_database_connections_in_use"
    poolers = Poolers()
    with connected(POOL, poolers), context.tenant(acme):
        connections["default"].close()
        assert _difference(lambda: Vendor.objects.exists(), in_use) == 1
        assert _difference(connection.close, in_use) == -1
        assert _difference(connection.close, in_use) == 0
    assert _now().get("freehold_database_connections_awaited") == 0


def test_a_source_that_is_away_says_so_and_the_others_answer(acme: TenantIdentity) -> None:
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:9/1"):
        figures = _now()
    assert figures.get("freehold_stored_figures_up", source="queues") == 0
    assert figures.get("freehold_stored_figures_up", source="mail") == 1
    assert figures.labels("freehold_queue_depth", "queue") == set()
    assert figures.get("freehold_tenants", state="active") == 2


def test_what_one_process_has_gathered_the_next_does_not_ask_for(acme: TenantIdentity) -> None:
    _now()
    asked: list[Any] = []
    stored.register("probe", ask=lambda: (asked.append(1), ())[1])
    try:
        stored._last.clear()  # as another process, which knows nothing yet
        with context.nobody():
            exposition.text()
        assert asked == []
        _now()
        assert asked == [1]
    finally:
        del stored._sources["probe"]
