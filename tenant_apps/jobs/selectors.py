"""Reads of jobs."""

from uuid import UUID

from django.db.models import QuerySet

from tenant_apps.jobs.errors import JobNotFoundError, JobUnfinishedError, ResultMissingError
from tenant_apps.jobs.models import Job


def list_jobs(*, kind: str) -> QuerySet[Job]:
    """Newest first."""
    return Job.objects.filter(kind=kind).order_by("-created_at", "id")


def get_job(*, job_id: UUID, kind: str | None = None, for_update: bool = False) -> Job:
    """Raises JobNotFoundError: this tenant has no such job (of this kind)."""
    jobs = Job.objects.select_for_update() if for_update else Job.objects.all()
    found = jobs.filter(id=job_id).first()
    if found is None or kind not in (None, found.kind):
        raise JobNotFoundError
    return found


def get_finished_job(*, job_id: UUID, kind: str) -> Job:
    """Raises JobNotFoundError; JobUnfinishedError: it goes on, or waits."""
    job = get_job(job_id=job_id, kind=kind)
    if not job.is_finished:
        raise JobUnfinishedError(status=job.state)
    return job


def get_result_name(*, job_id: UUID, kind: str) -> str:
    """The file that a job has left.

    Raises:
        JobNotFoundError, JobUnfinishedError: as for `get_finished_job`.
        ResultMissingError: it failed before it had one, or was cancelled.
    """
    job = get_finished_job(job_id=job_id, kind=kind)
    if not job.result_name:
        raise ResultMissingError
    return job.result_name
