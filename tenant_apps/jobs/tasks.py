"""Jobs in the background."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from shared_apps.tenants.errors import TaskRefusedError
from tenant_apps.jobs import janitor, queueing, running
from tenant_apps.jobs.errors import JobFailedError


@shared_task(name=queueing.RUN_TASK, throws=(JobFailedError, TaskRefusedError))
def run_job(*, job_id: str, **_: Any) -> str | None:
    """Delivered twice it is carried out once."""
    return running.run_job(job_id=UUID(job_id), clock=timezone.now)


@shared_task(name="jobs.tidy")
def tidy(**_: Any) -> dict[str, int]:
    """One tenant's jobs whose worker is lost, jobs that are kept no longer, and files of neither."""
    done = janitor.tidy(at=timezone.now())
    return {"sent_again": done.sent_again, "failed": done.failed, "deleted": done.deleted}
