"""One entry of the schedule, a task for every active tenant, and a row that says how it went."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import transaction

from config.celery import app
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import fan_out, selectors, services, tasks
from shared_apps.tenants.choices import OutcomeState, TenantState
from shared_apps.tenants.errors import TaskRefusedError
from shared_apps.tenants.models import TaskOutcome, Tenant
from tests import probes
from tests.waiting import wait_until
from tests.workers import Worker, running_beat

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def _outcomes(acme: TenantIdentity) -> Iterator[None]:
    yield
    with context.operator():
        TaskOutcome.objects.all().delete()


def _fan_out(task: str) -> dict[str, Any]:
    with context.operator():
        result: Any = app.send_task("tenants.fan_out", kwargs={"task": task})
        report: dict[str, Any] = result.get(timeout=PATIENCE)
    return report


def _outcome(tenant: TenantIdentity) -> TaskOutcome | None:
    return next(iter(selectors.list_task_outcomes(tenant_id=tenant.id)), None)


def _wait_for_end(tenant: TenantIdentity) -> TaskOutcome:
    def ended() -> bool:
        outcome = _outcome(tenant)
        return outcome is not None and outcome.finished_at is not None

    wait_until(ended, f"the outcome at {tenant.slug}")
    outcome = _outcome(tenant)
    assert outcome is not None
    return outcome


def test_the_schedule_fans_out_with_a_real_worker(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["invoicing.check_books"]
    report = app.send_task(
        entry["task"], kwargs=entry["kwargs"], **entry["options"]
    ).get(timeout=PATIENCE)  # fmt: skip

    assert (report["sent"], report["failed"]) == (2, 0)
    for tenant in (acme, globex):
        outcome = _wait_for_end(tenant)
        assert (outcome.task, outcome.state, outcome.error) == (
            "invoicing.check_books", OutcomeState.SUCCEEDED, "",
        )  # fmt: skip
        assert outcome.run_id == UUID(report["run_id"])


def test_a_real_beat_makes_a_real_worker_do_it_again_and_again(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path
) -> None:
    quick = {"DJANGO_SETTINGS_MODULE": "tests.quick_settings"}
    with running_beat(directory=tmp_path, environment=quick):
        first = {_wait_for_end(tenant).run_id for tenant in (acme, globex)}
        wait_until(lambda: _wait_for_end(acme).run_id not in first, "the next round")
    wait_until(
        lambda: {_wait_for_end(t).state for t in (acme, globex)} == {OutcomeState.SUCCEEDED},
        "the last round",
    )


def test_one_tenants_failure_stops_nobody_and_is_seen(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    _fan_out(probes.fail_at_acme.name)

    failed, succeeded = _wait_for_end(acme), _wait_for_end(globex)
    assert (failed.state, failed.error) == (OutcomeState.FAILED, "ValueError('on purpose')")
    assert succeeded.state == OutcomeState.SUCCEEDED
    wait_until(
        lambda: any("ERROR" in line and "tenant=acme" in line
                    for line in workers["prefork"].lines("probe.fail_at_acme failed for tenant")),
        "a line in the log",
    )  # fmt: skip
    output = StringIO()
    call_command("tenant", "show", "acme", "--json", stdout=output)
    [task] = json.loads(output.getvalue())["tasks"]
    assert (task["task"], task["state"], task["error"]) == (
        probes.fail_at_acme.name, "failed", "ValueError('on purpose')",
    )  # fmt: skip


def test_a_suspended_tenant_is_passed_over(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    services.change_state(tenant_id=globex.id, to=TenantState.SUSPENDED, at=NOON)
    try:
        report = _fan_out(probes.describe.name)
        assert (report["sent"], report["failed"]) == (1, 0)
        assert _wait_for_end(acme).state == OutcomeState.SUCCEEDED
        assert _outcome(globex) is None
    finally:
        services.change_state(tenant_id=globex.id, to=TenantState.ACTIVE, at=NOON)


def test_a_tenant_suspended_after_the_fan_out_is_refused_and_seen(
    workers: dict[str, Worker], acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.operator():
        fan_out.send_batch(
            task=probes.describe.name, run_id=(run := uuid4()), after=None, at=NOON,
            send=lambda: probes.describe.apply_async(countdown=0.5, headers={"fan_out": str(run)}),
        )  # fmt: skip
    services.change_state(tenant_id=globex.id, to=TenantState.SUSPENDED, at=NOON)
    try:
        assert _wait_for_end(acme).state == OutcomeState.SUCCEEDED
        outcome = _wait_for_end(globex)
        assert (outcome.state, outcome.error) == (
            OutcomeState.FAILED, "TaskRefusedError('tenant globex is SUSPENDED')",
        )  # fmt: skip
    finally:
        services.change_state(tenant_id=globex.id, to=TenantState.ACTIVE, at=NOON)


def test_what_cannot_be_sent_for_one_is_sent_for_the_others(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    seen = []

    def send() -> None:
        seen.append(context.require_tenant().slug)
        if seen[-1] == "acme":
            raise RuntimeError("on purpose")

    batch = fan_out.send_batch(task="x", run_id=uuid4(), after=None, at=NOON, send=send)

    assert (batch.sent, batch.failed, batch.last) == (1, 1, None)
    assert sorted(seen) == ["acme", "globex"]
    outcome = _outcome(acme)
    assert outcome is not None
    assert (outcome.state, outcome.error) == (OutcomeState.FAILED, "RuntimeError('on purpose')")


def test_a_straggler_of_an_earlier_run_does_not_overwrite_the_row(acme: TenantIdentity) -> None:
    fan_out.send_batch(task="x", run_id=uuid4(), after=None, at=NOON, send=lambda: None)
    fan_out.record_outcome(tenant_id=acme.id, task="x", run_id=uuid4(), error="old", at=NOON)
    outcome = _outcome(acme)
    assert outcome is not None
    assert outcome.state == OutcomeState.SENT


def test_thousands_of_tenants_are_sent_for_in_batches(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    count = 2 * fan_out.BATCH + 1
    crowd = [
        Tenant(
            slug=f"crowd{n}", schema_name=f"t_crowd{n}", role_name=f"crowd_t_crowd{n}", name="One of many",
            state=TenantState.ACTIVE,
        )
        for n in range(count - 2)
    ]  # fmt: skip
    batches, sent, after = [], [], None
    with context.operator(), transaction.atomic():
        Tenant.objects.bulk_create(crowd)
        while True:
            batch = fan_out.send_batch(
                task="x", run_id=uuid4(), after=after, at=NOON,
                send=lambda: sent.append(context.require_tenant().id),
            )  # fmt: skip
            batches.append(batch.sent)
            if (after := batch.last) is None:
                break
        assert TaskOutcome.objects.count() == count
        transaction.set_rollback(True)
    assert batches == [fan_out.BATCH, fan_out.BATCH, 1]
    assert len(set(sent)) == count


def test_the_next_batch_is_a_message_of_its_own(
    monkeypatch: pytest.MonkeyPatch, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    monkeypatch.setattr(fan_out, "BATCH", 1)
    app.conf.task_always_eager = True
    try:
        with context.operator():
            tasks.fan_out_task.apply(kwargs={"task": probes.describe.name})
    finally:
        app.conf.task_always_eager = False
    outcomes = [_outcome(tenant) for tenant in (acme, globex)]
    assert [outcome and outcome.state for outcome in outcomes] == [OutcomeState.SUCCEEDED] * 2
    assert len({outcome.run_id for outcome in outcomes if outcome}) == 1


def test_only_the_operator_fans_out(acme: TenantIdentity) -> None:
    with context.tenant(acme):
        result = tasks.fan_out_task.apply(kwargs={"task": probes.describe.name})
    with pytest.raises(TaskRefusedError):
        result.get()
    assert _outcome(acme) is None
