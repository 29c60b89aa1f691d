"""A message whose tenant is gone, suspended, unnamed or made up is refused before its task's body."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import Celery, chord

from config.celery import app
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.errors import TaskRefusedError
from shared_apps.tenants.models import Tenant
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.waiting import wait_until
from tests.workers import Worker

PATIENCE = 20.0


@pytest.fixture(params=["prefork", "threads"])
def worker(request: pytest.FixtureRequest, workers: dict[str, Worker]) -> Worker:
    return workers[request.param]


@contextmanager
def _changed(tenant: TenantIdentity, **values: Any) -> Iterator[None]:
    """A tenant's row as somebody changed it behind the caller's back."""
    with context.operator():
        before = Tenant.objects.filter(id=tenant.id).values(*values).get()
        Tenant.objects.filter(id=tenant.id).update(**values)
    try:
        yield
    finally:
        with context.operator():
            Tenant.objects.filter(id=tenant.id).update(**before)


def _forge(worker: Worker, headers: dict[str, Any], **kwargs: Any) -> Any:
    """Send what our own application would not: the message of a stock Celery client."""
    kwargs = {"name": "forged", "person": str(uuid4())} | kwargs
    return Celery.send_task(
        app, "probe.add_vendor", kwargs=kwargs, headers=headers, queue=worker.queue
    )


def _assert_refused(worker: Worker, result: Any, reason: str) -> None:
    with pytest.raises(TaskRefusedError, match=reason):
        result.get(timeout=PATIENCE)
    assert result.state == "FAILURE"
    wait_until(lambda: bool(worker.lines(f"[{result.id}] refused: ")), "a line in the log")
    [line] = [line for line in worker.lines(result.id) if "WARNING" in line]
    assert reason in line


@pytest.mark.parametrize(
    "state", [TenantState.SUSPENDED, TenantState.ARCHIVED, TenantState.DELETED, TenantState.FAILED]
)
def test_a_tenant_that_is_not_served_when_the_task_runs(
    state: TenantState, worker: Worker, acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        result = probes.add_vendor.apply_async(
            kwargs={"name": "late", "person": str(uuid4())}, queue=worker.queue, countdown=0.5
        )
    with _changed(acme, state=state):
        _assert_refused(worker, result, f"tenant acme is {state}")
    with context.tenant(acme):
        assert not Vendor.objects.exists()


def test_a_tenant_that_is_renamed_is_the_same_tenant(worker: Worker, acme: TenantIdentity) -> None:
    with context.tenant(acme):
        result = probes.describe.apply_async(queue=worker.queue, countdown=0.5)
    with _changed(acme, slug="acme-after-all"):
        described = result.get(timeout=PATIENCE)
    assert (described["scope"], described["schema"]) == ("acme-after-all", acme.schema)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"scope": None},
        {"scope": ""},
        {"scope": "acme"},
        {"scope": "t_acme"},
        {"scope": "public"},
        {"scope": "OPERATOR"},
        {"scope": ["operator"]},
        {"scope": {"id": "operator"}},
        {"scope": 1},
        {"scope": "x' OR true --"},
        {"scope": "\n2026-01-01 INFO root all is well"},
        {"scope": str(UUID(int=7))},
    ],
    ids=repr,
)
def test_a_scope_that_names_nobody(
    headers: dict[str, Any], worker: Worker, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    _assert_refused(worker, _forge(worker, headers), "no such scope")
    for tenant in (acme, globex):
        with context.tenant(tenant):
            assert not Vendor.objects.exists()


def test_a_malformed_attribution_is_unknown_and_no_obstacle(
    worker: Worker, acme: TenantIdentity
) -> None:
    for attribution in ("x", [], {"user_id": "nobody", "request_id": {}, "ip": 7}):
        headers = {"scope": str(acme.id), "attribution": attribution}
        result = Celery.send_task(app, "probe.describe", headers=headers, queue=worker.queue)
        described = result.get(timeout=PATIENCE)
        assert (described["scope"], described["user_id"], described["request_id"]) == (
            "acme", None, None,
        )  # fmt: skip


def test_a_refusal_is_acknowledged(worker: Worker, acme: TenantIdentity) -> None:
    with pytest.raises(TaskRefusedError):
        _forge(worker, {}).get(timeout=PATIENCE)
    with app.connection_or_acquire() as connection:
        client = connection.default_channel.client
        wait_until(lambda: client.hlen("unacked") == 0, "the acknowledgement")
        assert client.llen(worker.queue) == 0


def test_a_chord_with_a_refused_part_fails_instead_of_waiting(
    worker: Worker, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    describe, collect = probes.describe, probes.collect
    gone = describe.si().set(queue=worker.queue, headers={"scope": str(uuid4())})
    served = describe.si().set(queue=worker.queue, headers={"scope": str(acme.id)})
    with context.operator():
        result = chord([served, gone], collect.s().set(queue=worker.queue)).apply_async()
    with pytest.raises(TaskRefusedError, match="no such scope"):
        result.get(timeout=PATIENCE)


def test_pickle_is_not_taken(worker: Worker, acme: TenantIdentity) -> None:
    result = Celery.send_task(
        app, "probe.describe", serializer="pickle", queue=worker.queue,
        headers={"scope": str(acme.id)},
    )  # fmt: skip
    wait_until(lambda: bool(worker.lines("untrusted content of type pickle")), "the refusal")
    assert not result.ready()


def test_eager_mode_refuses_too(acme: TenantIdentity) -> None:
    task = probes.add_vendor
    with context.operator():
        result = task.apply(kwargs={"name": "x", "person": str(uuid4())}, headers={"scope": "acme"})
    assert result.state == "FAILURE"
    with pytest.raises(TaskRefusedError, match="no such scope"):
        result.get()
