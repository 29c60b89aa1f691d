"""Every write to jobs.

A job has two owners: whoever asked for it, and whoever carries it out. The second one holds it by its
attempt and a lease; each of its writes asks whether it still does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from django.core.files.base import File
from django.db import transaction

from tenant_apps.jobs import files, kinds, queueing, selectors
from tenant_apps.jobs.choices import UNFINISHED, JobPhase, JobState
from tenant_apps.jobs.errors import JobFinishedError, JobStoppedError
from tenant_apps.jobs.models import Job

LEASE: Final = timedelta(seconds=60)
"""So long after its last sign of life a worker is lost."""
LOST_MESSAGE_AFTER: Final = timedelta(minutes=10)
"""So long a job waits before it is sent for again; a worker that is merely late finds it done."""
_LONGEST_MESSAGE = 1000


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is held by whoever carries it out."""

    job_id: UUID
    attempt: int
    kind: str
    requested_by: UUID
    limit_seconds: int
    upload_name: str


@transaction.atomic
def create_job(
    *, kind: str, requested_by: UUID, upload: "File[bytes]", suffix: str, at: datetime
) -> Job:
    """Write down what is wanted, and have it carried out after the commit.

    Raises:
        StorageFullError: the tenant has no room for the file.
    """
    job_id, found = uuid4(), kinds.get(kind)
    # A rollback leaves the file behind; the janitor removes what no job has.
    upload_name = files.keep(job_id, f"upload.{suffix}", upload)
    job = Job(
        id=job_id,
        kind=found.name,
        celery_task_id=str(uuid4()),
        requested_by=requested_by,
        limit_seconds=int(found.limit.total_seconds()),
        lease_until=at + LOST_MESSAGE_AFTER,
        file_name=Path(upload.name or "").name[:255],
        upload_name=upload_name,
        created_at=at,
    )
    job.save(force_insert=True)
    queueing.jobs().add(_queued(job))
    return job


@transaction.atomic
def cancel_job(*, job_id: UUID, kind: str, at: datetime) -> Job:
    """Whoever carries it out notices within seconds; nothing that it has not saved by now is kept.

    Raises:
        JobNotFoundError: this tenant has no such job.
        JobFinishedError: too late.
    """
    job = selectors.get_job(job_id=job_id, kind=kind, for_update=True)
    if job.is_finished:
        raise JobFinishedError(status=job.state)
    _finish(job, state=JobState.CANCELLED, at=at)
    queueing.jobs().withdraw(_queued(job))
    return job


@transaction.atomic
def delete_job(*, job_id: UUID, kind: str) -> None:
    """With its files; one that goes on is stopped. What it has imported stays.

    Raises:
        JobNotFoundError: this tenant has no such job.
    """
    _delete(selectors.get_job(job_id=job_id, kind=kind, for_update=True))


def claim_job(*, job_id: UUID, at: datetime) -> Claim | None:
    """Begin a pending job; None: it is not pending, so somebody else has it, or nobody wants it any more."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(id=job_id, state=JobState.PENDING).first()
        if job is None:
            return None
        job.state, job.phase, job.progress = JobState.PROCESSING, JobPhase.VALIDATE, 0
        job.attempt += 1
        job.started_at, job.lease_until = at, at + LEASE
        job.save()
    return Claim(
        job.id, job.attempt, job.kind, job.requested_by, job.limit_seconds, job.upload_name
    )


def report_progress(*, claim: Claim, phase: JobPhase, progress: int, at: datetime) -> bool:
    """A sign of life; whether the job is still held."""
    held = Job.objects.filter(
        id=claim.job_id, attempt=claim.attempt, state=JobState.PROCESSING
    ).update(phase=phase, progress=progress, lease_until=at + LEASE)
    return bool(held)


@transaction.atomic
def complete_job(*, claim: Claim, outcome: kinds.Outcome, at: datetime) -> None:
    """Within the transaction of what the job has saved: if it is not held any more, that is undone.

    Raises:
        JobStoppedError: it is somebody else's, cancelled, deleted or out of time.
        StorageFullError: the tenant has no room for the result.
    """
    job = _held(claim)
    job.result = dict(outcome.result)
    if outcome.file is not None:
        with outcome.file.open("rb") as content:
            name = f"result-{claim.attempt}{outcome.file.suffix}"
            job.result_name = files.keep(job.id, name, File(content))
    state = JobState.FAILED if outcome.error else JobState.COMPLETED
    _finish(job, state=state, error=outcome.error, at=at)


@transaction.atomic
def fail_job(*, claim: Claim, error: str, at: datetime) -> None:
    """Raises JobStoppedError: as for `complete_job`."""
    _finish(_held(claim), state=JobState.FAILED, error=error, at=at)


@transaction.atomic
def take_up_job(*, job_id: UUID, at: datetime) -> JobState | None:
    """What becomes of an unfinished job whose message or worker is lost; None: it is not.

    It is sent for again, unless its time or its attempts are used up.
    """
    job = (
        Job.objects.select_for_update(skip_locked=True)
        .filter(id=job_id, state__in=UNFINISHED, lease_until__lte=at)
        .first()
    )
    if job is None:
        return None
    kind = kinds.find(job.kind)
    error = ""
    if kind is None:
        error = "This kind of job is not carried out any more."
    elif job.state == JobState.PROCESSING:
        if job.started_at and job.started_at + timedelta(seconds=job.limit_seconds) <= at:
            error = out_of_time(job.limit_seconds)
        elif job.attempt >= kind.attempts:
            error = f"The worker was lost {job.attempt} times."
    if error:
        _finish(job, state=JobState.FAILED, error=error, at=at)
        return JobState.FAILED
    job.state, job.lease_until = JobState.PENDING, at + LOST_MESSAGE_AFTER
    # Workers do not begin again what they have done under an id.
    job.celery_task_id = str(uuid4())
    job.save()
    queueing.jobs().add(_queued(job))
    return JobState.PENDING


@transaction.atomic
def delete_old_job(*, job_id: UUID, before: datetime) -> bool:
    old = Job.objects.select_for_update(skip_locked=True).filter(id=job_id, finished_at__lte=before)
    job = old.first()
    if job is not None:
        _delete(job)
    return job is not None


def out_of_time(seconds: int) -> str:
    return f"The job took longer than {seconds} seconds and was stopped."


def _held(claim: Claim) -> Job:
    job = (
        Job.objects.select_for_update()
        .filter(id=claim.job_id, attempt=claim.attempt, state=JobState.PROCESSING)
        .first()
    )
    if job is None:
        raise JobStoppedError
    return job


def _finish(job: Job, *, state: JobState, at: datetime, error: str = "") -> None:
    job.state, job.finished_at = state, at
    job.error_message = error[:_LONGEST_MESSAGE]
    if state == JobState.COMPLETED:
        job.phase, job.progress = "", 100
    job.save()
    # What was uploaded is in the rows by now, or in the hands of whoever sent it.
    job_id, kept = job.id, job.result_name
    transaction.on_commit(lambda: files.tidy(job_id, keeping=kept), robust=True)


def _delete(job: Job) -> None:
    queueing.jobs().withdraw(_queued(job))
    job_id = job.id
    job.delete()
    transaction.on_commit(lambda: files.tidy(job_id, keeping=""), robust=True)


def _queued(job: Job) -> queueing.QueuedJob:
    return queueing.QueuedJob(job.id, job.celery_task_id, job.limit_seconds)
