"""What becomes of a job, whoever carries it out; here the test itself does."""

import os
import time
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tenant_apps.jobs import files, janitor, running, services
from tenant_apps.jobs.errors import JobFailedError
from tenant_apps.jobs.models import Job
from tests.integration.tenant_apps.jobs.scripts import (
    ask_for,
    await_hold,
    await_state,
    files_of,
    state_of,
)

pytestmark = pytest.mark.usefixtures("at_acme")
LATER = timedelta(minutes=2)


def carry_out(job: Job) -> Any:
    return running.run_job(job_id=job.id, clock=timezone.now)


def carry_out_in_thread(job: Job) -> None:
    try:
        carry_out(job)
    finally:
        connections.close_all()


def names() -> list[str]:
    return sorted(Vendor.objects.values_list("name", flat=True))


def test_what_fails_says_why_and_leaves_nothing() -> None:
    job, defective = ask_for(name="a", fail="No such thing."), ask_for(name="b", fail="defect")

    for one in (job, defective):
        with pytest.raises(JobFailedError):
            carry_out(one)

    assert (state_of(job), job.error_message) == ("failed", "No such thing.")
    assert state_of(defective) == "failed"
    assert "secret" not in defective.error_message
    assert names() == []
    assert (files_of(job), files_of(defective)) == ([], [])


def test_a_job_is_carried_out_once_however_often_it_is_delivered() -> None:
    job = ask_for(name="once")

    assert [carry_out(job), carry_out(job)] == ["completed", None]

    assert names() == ["once"]


@pytest.mark.parametrize("phase", ["work", "save"])
@pytest.mark.parametrize("ending", ["cancelled", "deleted", "lost"])
def test_what_is_taken_away_saves_nothing(phase: str, ending: str, tmp_path: Path) -> None:
    # While it saves it does not look: its end is what finds out.
    job = ask_for(name="half", hold=phase, place=tmp_path, hang=phase == "save")
    thread = Thread(target=context.bound(carry_out_in_thread), args=(job,))
    thread.start()
    await_hold(tmp_path)

    if ending == "cancelled":
        services.cancel_job(job_id=job.id, kind="scripted", at=timezone.now())
    elif ending == "deleted":
        services.delete_job(job_id=job.id, kind="scripted")
    else:
        janitor.tidy(at=timezone.now() + LATER)
    if phase == "save":
        (tmp_path / "release").touch()
    thread.join(60)

    assert not thread.is_alive()
    assert names() == []
    if ending == "lost":
        assert (state_of(job), job.attempt) == ("pending", 1)
        assert files_of(job) == ["upload.json"]
    else:
        assert files_of(job) == []


def test_a_lost_job_is_tried_three_times() -> None:
    job = ask_for(name="x")

    for attempt in (1, 2, 3):
        claim = services.claim_job(job_id=job.id, at=timezone.now())
        assert claim is not None
        assert claim.attempt == attempt
        files.make_work_directory(job.id, attempt)
        assert janitor.tidy(at=timezone.now()).sent_again == 0
        done = janitor.tidy(at=timezone.now() + LATER)
        assert (done.sent_again, done.failed) == ((1, 0) if attempt < 3 else (0, 1))

    assert (state_of(job), job.error_message) == ("failed", "The worker was lost 3 times.")
    assert files_of(job) == []


def test_a_late_worker_takes_nothing_from_its_successor() -> None:
    job = ask_for(name="x")
    late = services.claim_job(job_id=job.id, at=timezone.now())
    janitor.tidy(at=timezone.now() + LATER)
    successor = services.claim_job(job_id=job.id, at=timezone.now())
    assert late is not None
    assert successor is not None

    assert not services.report_progress(claim=late, phase="work", progress=1, at=timezone.now())
    with pytest.raises(services.JobStoppedError):
        services.fail_job(claim=late, error="late", at=timezone.now())

    assert services.report_progress(claim=successor, phase="work", progress=1, at=timezone.now())


def test_the_dead_leave_no_files(acme: TenantIdentity, globex: TenantIdentity) -> None:
    orphan, young = (files.make_work_directory(uuid4(), 1).parent for _ in range(2))
    before = time.time() - 7200
    os.utime(orphan, (before, before))
    with context.tenant(globex):
        other = files.make_work_directory(uuid4(), 1).parent
    os.utime(other, (before, before))

    janitor.tidy(at=timezone.now())

    assert (orphan.exists(), young.exists(), other.exists()) == (False, True, True)


def test_a_message_that_is_lost_is_sent_again_and_old_jobs_go(settings: Any) -> None:
    waiting, old = ask_for(name="waiting"), ask_for(name="old")
    carry_out(old)
    first_id = waiting.celery_task_id

    assert janitor.tidy(at=timezone.now() + timedelta(minutes=11)).sent_again == 1
    assert janitor.tidy(at=timezone.now() + settings.JOBS_KEEP).deleted == 1

    assert state_of(waiting) == "pending"
    assert waiting.celery_task_id != first_id
    assert list(Job.objects.values_list("id", flat=True)) == [waiting.id]
    assert files_of(old) == []


def test_in_this_process_one_that_fails_stops_no_other(settings: Any) -> None:
    settings.JOBS_EXECUTOR = "in-process"

    jobs = [ask_for(name="a"), ask_for(name="b", fail="defect"), ask_for(name="c")]

    for job, state in zip(jobs, ("completed", "failed", "completed"), strict=True):
        await_state(job, state)
    assert names() == ["a", "c"]


def test_in_this_process_each_job_is_its_tenants(settings: Any, globex: TenantIdentity) -> None:
    settings.JOBS_EXECUTOR = "in-process"

    own = ask_for(name="of acme")
    with context.tenant(globex):
        others = ask_for(name="of globex")
        await_state(others, "completed")
        assert names() == ["of globex"]
    await_state(own, "completed")
    assert names() == ["of acme"]
