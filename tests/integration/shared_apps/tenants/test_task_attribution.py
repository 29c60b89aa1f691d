"""Whatever way work is sent on, its writes are put down to whoever caused it, with the task that made them."""

import json
import os
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import chain, chord, group
from celery.canvas import Signature
from psycopg import sql

from shared_apps.core import attribution, context
from shared_apps.core.attribution import Attribution
from shared_apps.core.context import TenantIdentity
from tests import probes
from tests.installation import Installation
from tests.waiting import wait_until

# FREEHOLD_TEST_ROUNDS=20 for the whole proof: 2,400 writes of each pool.
_ROUNDS = int(os.environ.get("FREEHOLD_TEST_ROUNDS", "1"))
_PATIENCE = 60.0 + 30.0 * _ROUNDS  # seconds
_WRITES = 20  # of one person in one round

Written = Callable[[TenantIdentity], list[dict[str, Any]]]


@pytest.fixture
def written(system: Installation) -> Written:
    """Of each vendor in the outbox: its name, and who made it."""

    def read(tenant: TenantIdentity) -> list[dict[str, Any]]:
        with system.owner() as owner:
            rows = owner.execute(
                sql.SQL(
                    "SELECT new_values ->> 'name', attribution FROM {} WHERE table_name = %s"
                ).format(sql.Identifier(tenant.schema, "audit_outbox")),
                ["invoicing_vendor"],
            ).fetchall()
        return [{"name": name, **json.loads(who)} for name, who in rows]

    return read


def _sign(who: Attribution, step: str, queue: str) -> Signature[Any]:
    """A vendor that is named after who should be its maker."""
    return probes.add_vendor.si(name=f"{who.user_id} {step}", person=str(UUID(int=0))).set(
        queue=queue
    )


def _send_all(who: Attribution, queue: str) -> None:
    """Twenty writes: alone, and in everything that tasks can be composed of."""

    def sign(step: str) -> Signature[Any]:
        return _sign(who, step, queue)

    sign("alone").apply_async()
    sign("linking").apply_async(link=sign("linked"))
    probes.fail.apply_async(queue=queue, link_error=sign("errback").set(immutable=True))
    chain(sign("chain 1"), sign("chain 2"), group(sign("chain 3a"), sign("chain 3b"))).apply_async()
    group(sign(f"group {number}") for number in range(3)).apply_async()
    chord([sign("chord 1"), sign("chord 2")], sign("chord body")).apply_async()
    probes.retry_and_sign.apply_async([str(who.user_id)], queue=queue)
    probes.send_signing.apply_async([str(who.user_id), queue, 2], queue=queue)


def test_nobody_is_put_down_for_anothers_work(
    queue: str, acme: TenantIdentity, globex: TenantIdentity, written: Written
) -> None:
    people = [
        (tenant, Attribution(user_id=uuid4(), request_id=uuid4().hex, ip="192.0.2.7"))
        for tenant in (acme, globex) * 3
    ]
    for _ in range(_ROUNDS):
        for tenant, who in people:
            with context.tenant(tenant), attribution.acting(who):
                _send_all(who, queue)

    by_user = {str(who.user_id): who for _, who in people}
    expected = _ROUNDS * _WRITES * 3
    for tenant in (acme, globex):
        wait_until(
            lambda tenant=tenant: len(written(tenant)) >= expected,
            f"{expected} writes at {tenant.slug}",
            timeout=_PATIENCE,
        )
        entries = written(tenant)
        assert len(entries) == expected
        wrong = [
            entry
            for entry in entries
            if (user := entry["name"].split(" ", 1)[0]) != entry["user_id"]
            or entry["request_id"] != by_user[user].request_id
            or entry["ip"] != "192.0.2.7"
            or not entry["system"].startswith("task:probe.")
            or not entry["task_id"]
        ]
        assert wrong == []
        assert {e["user_id"] for e in entries} == {
            str(who.user_id) for t, who in people if t is tenant
        }


def test_a_task_names_the_task_that_sent_it(
    queue: str, acme: TenantIdentity, globex: TenantIdentity, written: Written
) -> None:
    for tenant in (acme, globex):
        who = Attribution(user_id=uuid4(), on_behalf_of=uuid4())
        with context.tenant(tenant), attribution.acting(who):
            first = probes.send_signing.apply_async([str(who.user_id), queue, 2], queue=queue)
        wait_until(
            lambda tenant=tenant: len(written(tenant)) == 3, "three writes", timeout=_PATIENCE
        )

        by_step = {entry["name"].split(" ", 1)[1]: entry for entry in written(tenant)}
        assert by_step["nested 2"]["task_id"] == first.id
        assert "parent_task_id" not in by_step["nested 2"]
        for parent, child in (("nested 2", "nested 1"), ("nested 1", "nested 0")):
            assert by_step[child]["parent_task_id"] == by_step[parent]["task_id"]
        assert {entry["on_behalf_of"] for entry in by_step.values()} == {str(who.on_behalf_of)}


def test_what_nobody_caused_is_the_tasks_own(
    queue: str, acme: TenantIdentity, globex: TenantIdentity, system: Installation, written: Written
) -> None:
    """As the schedule sends it."""
    for tenant in (acme, globex):
        with context.tenant(tenant), attribution.acting(attribution.UNKNOWN):
            result = probes.add_vendor.apply_async(
                kwargs={"name": "nobody's", "person": str(UUID(int=0))}, queue=queue
            )
        wait_until(lambda tenant=tenant: bool(written(tenant)), "a write", timeout=_PATIENCE)
        assert written(tenant) == [
            {"name": "nobody's", "system": "task:probe.add_vendor", "task_id": result.id}
        ]
