"""Whatever way a task is sent and ends, it runs in its sender's context: prefork, threads, eager."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from celery import chain, chord, group
from celery.canvas import Signature
from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from shared_apps.core import context
from shared_apps.core.attribution import Attribution
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants.errors import TaskRefusedError
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.waiting import wait_until
from tests.workers import Worker

PATIENCE = 20.0


def _at(tenant: TenantIdentity) -> dict[str, Any]:
    return {"scope": tenant.slug, "role": tenant.role, "schema": tenant.schema}


def _where(described: dict[str, Any]) -> dict[str, Any]:
    return {name: described[name] for name in ("scope", "role", "schema")}


def _first(queue: str) -> Any:
    return probes.describe.apply_async(queue=queue)


def _soon(queue: str) -> Any:
    return probes.describe.apply_async(queue=queue, countdown=0.2)


def _at_a_time(queue: str) -> Any:
    return probes.describe.apply_async(
        queue=queue, eta=datetime.now(UTC) + timedelta(milliseconds=200)
    )


def _chain(queue: str) -> Any:
    step = probes.describe.si().set(queue=queue)
    return chain(step, step.clone(), step.clone()).apply_async()


def _retry(queue: str) -> Any:
    return probes.retry.apply_async(queue=queue)


def _autoretry(queue: str) -> Any:
    return probes.autoretry.apply_async(queue=queue)


@pytest.mark.parametrize(
    "send",
    [
        _first,
        _soon,
        _at_a_time,
        _chain,
        _retry,
        _autoretry,
    ],
)
def test_it_runs_for_its_sender(
    send: Callable[[str], Any],
    queue: str,
    acme: TenantIdentity,
    globex: TenantIdentity,
    caller: Attribution,
) -> None:
    results = []
    for tenant in (acme, globex) * 3:
        with context.tenant(tenant):
            results.append((tenant, send(queue)))
    for tenant, result in results:
        described = result.get(timeout=PATIENCE)
        assert _where(described) == _at(tenant)
        assert described["user_id"] == str(caller.user_id)
        assert described["request_id"] == caller.request_id
    with context.operator():
        assert _where(send(queue).get(timeout=PATIENCE))["scope"] == "operator"


def test_groups_chords_and_maps_stay_with_their_sender(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    step, body = probes.describe.si().set(queue=queue), probes.collect.s().set(queue=queue)
    for tenant in (acme, globex):
        with context.tenant(tenant):
            together = group(step.clone() for _ in range(4)).apply_async()
            joined = chord([step.clone() for _ in range(4)], body.clone()).apply_async()
            chained = chain(step.clone(), group(step.clone(), step.clone()), body.clone())
            mapped = probes.describe.map([1, 2]).set(queue=queue).apply_async()
            for described in together.get(timeout=PATIENCE):
                assert _where(described) == _at(tenant)
            for result in (joined, chained.apply_async()):
                collected = result.get(timeout=PATIENCE)
                for described in [*collected["before"], collected["here"]]:
                    assert _where(described) == _at(tenant)
            for described in mapped.get(timeout=PATIENCE):
                assert _where(described) == _at(tenant)


def test_what_follows_belongs_to_whoever_composed_it(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    def of(tenant: TenantIdentity) -> Signature[Any]:
        return probes.describe.si().set(queue=queue, headers={"scope": str(tenant.id)})

    body = probes.collect.s().set(queue=queue)
    with context.operator():
        result = chord([of(acme), of(globex), of(acme)], body).apply_async()
        collected = result.get(timeout=PATIENCE)
    assert [d["scope"] for d in collected["before"]] == ["acme", "globex", "acme"]
    assert collected["here"]["scope"] == "operator"


def test_callbacks_work_for_the_sender(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    mark, person = uuid4().hex, str(uuid4())

    def note(name: str) -> Signature[Any]:
        return probes.add_vendor.s(name=f"{name} {mark}", person=person).set(queue=queue)

    # One constant signature, as a module would hold it, used by both tenants.
    on_success, on_error = note("linked"), note("errback")
    for tenant in (acme, globex):
        with context.tenant(tenant):
            probes.describe.apply_async(queue=queue, link=on_success)
            probes.fail.apply_async(queue=queue, link_error=on_error)
    for tenant in (acme, globex):
        assert _names(tenant, mark, 2) == {f"errback {mark}", f"linked {mark}"}
    assert "headers" not in on_success["options"]


def test_hooks_work_for_the_sender(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    mark, person = uuid4().hex, str(uuid4())
    for tenant, fails in ((acme, False), (globex, True)):
        with context.tenant(tenant):
            probes.hooked.apply_async(
                queue=queue, kwargs={"mark": mark, "person": person, "fails": fails}
            )
    assert _names(acme, mark, 3) == {f"before {mark}", f"success {mark}", f"after {mark}"}
    assert _names(globex, mark, 3) == {f"before {mark}", f"failure {mark}", f"after {mark}"}


def test_a_retry_out_of_another_context_is_the_same_task(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.operator():
        result = probes.retry_from_elsewhere.apply_async([str(globex.id)], queue=queue)
        assert result.get(timeout=PATIENCE)["scope"] == "operator"


def test_another_tenants_task_is_sent_in_that_tenants_context_only(
    queue: str, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        own = probes.send_on.apply_async([queue], queue=queue).get(timeout=PATIENCE)
        other = probes.send_on.apply_async([queue, str(globex.id)], queue=queue)
        refused = probes.send_for.apply_async([queue, str(globex.id)], queue=queue)
        with pytest.raises(TaskRefusedError, match="another scope"):
            probes.describe.apply_async(queue=queue, headers={"scope": "operator"})
        with pytest.raises(TaskRefusedError, match="acme sent a task for another scope"):
            refused.get(timeout=PATIENCE)
    if queue == "eager":
        return  # an eager result is not kept under its id
    assert _where(probes.describe.AsyncResult(own).get(timeout=PATIENCE)) == _at(acme)
    sent = probes.describe.AsyncResult(other.get(timeout=PATIENCE)).get(timeout=PATIENCE)
    assert _where(sent) == _at(globex)
    assert sent["parent_task_id"] == other.id


def test_a_task_called_as_a_function_works_for_its_caller(acme: TenantIdentity) -> None:
    with context.tenant(acme):
        assert _where(probes.describe()) == _at(acme)
    with pytest.raises(TenantContextRequired):
        probes.describe()


def test_a_task_sent_by_name_carries_the_context(
    worker: Worker, acme: TenantIdentity, caller: Attribution
) -> None:
    with context.tenant(acme):
        result = probes.app.send_task("probe.describe", queue=worker.queue)
    assert _where(result.get(timeout=PATIENCE)) == _at(acme)
    with pytest.raises(TenantContextRequired):
        probes.app.send_task("probe.describe", queue=worker.queue)


def test_a_replaced_task_works_for_the_sender(worker: Worker, acme: TenantIdentity) -> None:
    """Not in eager mode: there Celery itself refuses to wait for the replacement."""
    with context.tenant(acme):
        result = probes.replace.apply_async(queue=worker.queue)
    assert _where(result.get(timeout=PATIENCE)) == _at(acme)


@pytest.mark.parametrize("how", ["success", "failure", "reject", "ignore"])
def test_nothing_is_left_behind_in_a_worker(
    how: str, worker: Worker, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        for _ in range(3):
            probes.leave_behind.apply_async([how, str(globex.id)], queue=worker.queue)
    _assert_nothing_remains(worker, acme)


def test_nothing_is_left_behind_by_a_soft_time_limit(
    workers: dict[str, Worker], acme: TenantIdentity
) -> None:
    """Of prefork: a thread cannot be interrupted, Celery has no soft limit there."""
    worker = workers["prefork"]
    with context.tenant(acme):
        exceeded = [probes.exceed.apply_async(queue=worker.queue) for _ in range(2)]
    for result in exceeded:
        with pytest.raises(SoftTimeLimitExceeded):
            result.get(timeout=PATIENCE)
    _assert_nothing_remains(worker, acme)


def _assert_nothing_remains(worker: Worker, tenant: TenantIdentity) -> None:
    """In either thread or process of the worker."""
    with context.tenant(tenant):
        states = group(probes.remains.si().set(queue=worker.queue) for _ in range(8))
        seen = states.apply_async().get(timeout=PATIENCE)
    assert len({(process, thread) for process, thread, *_ in seen}) == 2
    assert {(scope, who) for *_, scope, who in seen} == {("None", "{}")}


def test_the_eager_caller_keeps_its_own_context(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        assert probes.leave_behind.apply(["success", str(globex.id)]).state == "SUCCESS"
        assert context.current() is acme
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user")
            assert cursor.fetchone() == (acme.role,)


def _names(tenant: TenantIdentity, mark: str, count: int) -> set[str]:
    """The vendors of a mark, once so many of them are there."""
    with context.tenant(tenant):
        rows = Vendor.objects.filter(name__contains=mark)
        wait_until(lambda: rows.count() >= count, f"{count} rows at {tenant.slug}")
        return set(rows.values_list("name", flat=True))
