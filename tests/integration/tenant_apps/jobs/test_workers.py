"""Jobs in real Celery workers: states, limits, deletion, and kill -9."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery.result import AsyncResult
from django.conf import settings
from django.utils import timezone

from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Vendor
from tenant_apps.jobs import janitor
from tests.installation import Installation
from tests.integration.tenant_apps.jobs.scripts import (
    PATIENCE,
    ask_for,
    await_hold,
    await_state,
    files_of,
    state_of,
)
from tests.integration.tenant_apps.jobs.test_running import LATER, names
from tests.waiting import wait_until
from tests.workers import Worker, kill, purge, running_worker

pytestmark = pytest.mark.usefixtures("at_acme")


def queue() -> str:
    return f"{settings.CELERY_TASK_DEFAULT_QUEUE}_jobs"


@pytest.fixture(scope="module")
def worker(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    purge(queue())
    with running_worker(
        "prefork", queue=queue(), directory=tmp_path_factory.mktemp("w")
    ) as running:
        yield running


def result_of(job: Any) -> "AsyncResult[Any]":
    return AsyncResult(job.celery_task_id)


def test_the_states_in_order(worker: Worker, tmp_path: Path) -> None:
    job = ask_for(name="a", hold="work", place=tmp_path)
    assert job.state == "pending"
    await_hold(tmp_path)
    assert (state_of(job), job.phase) == ("processing", "work")
    wait_until(lambda: bool(state_of(job)) and job.progress == 50, "it reports", timeout=PATIENCE)

    (tmp_path / "release").touch()

    await_state(job, "completed")
    assert (names(), job.result) == (["a"], {"name": "a"})
    wait_until(lambda: result_of(job).state == "SUCCESS", "Celery knows", timeout=PATIENCE)
    wait_until(lambda: files_of(job) == ["result-1"], "it is tidy", timeout=PATIENCE)


def test_a_failure_is_one_for_celery_too_and_stops_no_other(worker: Worker) -> None:
    failing, next_one = ask_for(name="a", fail="No such thing."), ask_for(name="b")

    await_state(next_one, "completed")
    await_state(failing, "failed")
    wait_until(lambda: result_of(failing).state == "FAILURE", "Celery knows", timeout=PATIENCE)
    assert names() == ["b"]


def test_whatever_hangs_is_failed_at_its_limit_and_killed(worker: Worker, tmp_path: Path) -> None:
    job = ask_for(kind="hasty", name="a", hold="save", place=tmp_path, hang=True)

    await_state(job, "failed")
    assert job.error_message == "The job took longer than 2 seconds and was stopped."
    wait_until(lambda: bool(worker.lines("Hard time limit (7")), "it is killed", timeout=PATIENCE)
    assert (names(), files_of(job)) == ([], [])
    following = ask_for(name="b")
    await_state(following, "completed")


def test_deleted_meanwhile_it_stops_and_its_files_are_gone(worker: Worker, tmp_path: Path) -> None:
    from tenant_apps.jobs import services

    job = ask_for(name="a", hold="work", place=tmp_path)
    await_hold(tmp_path)

    services.delete_job(job_id=job.id, kind="scripted")

    wait_until(lambda: result_of(job).state == "SUCCESS", "the worker is free", timeout=PATIENCE)
    assert (names(), files_of(job)) == ([], [])


@pytest.mark.parametrize("phase", ["work", "save"])
def test_a_worker_that_is_killed_leaves_nothing_half_done(
    acme: TenantIdentity, tmp_path: Path, phase: str
) -> None:
    purge(queue())
    job = ask_for(name="once", hold=phase, place=tmp_path)
    with running_worker("prefork", queue=queue(), directory=tmp_path) as doomed:
        await_hold(tmp_path)
        kill(doomed.process)
    assert (state_of(job), Vendor.objects.count()) == ("processing", 0)
    assert "work-1" in files_of(job)
    (tmp_path / "release").touch()

    # PostgreSQL may still hold a row for the dead.
    wait_until(lambda: janitor.tidy(at=timezone.now() + LATER).sent_again == 1, "it is sent again")
    with running_worker("prefork", queue=queue(), directory=tmp_path):
        await_state(job, "completed")
        wait_until(lambda: files_of(job) == ["result-2"], "it is tidy", timeout=PATIENCE)
    assert (names(), job.attempt) == (["once"], 2)
