"""What the dead have left: jobs whose worker or message is lost, and files that no job has any more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from tenant_apps.jobs import files, services
from tenant_apps.jobs.choices import UNFINISHED, JobState
from tenant_apps.jobs.models import Job

_BATCH: Final = 500
# Of a request that has not committed yet.
_YOUNG: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tidied:
    sent_again: int
    failed: int
    deleted: int


def tidy(*, at: datetime) -> Tidied:
    """The present tenant's."""
    lost = Job.objects.filter(state__in=UNFINISHED, lease_until__lte=at)
    ends = [
        services.take_up_job(job_id=job_id, at=at)
        for job_id in lost.order_by("lease_until").values_list("id", flat=True)[:_BATCH]
    ]
    before = at - settings.JOBS_KEEP
    old = Job.objects.filter(finished_at__lte=before).order_by("finished_at")
    deleted = [
        services.delete_old_job(job_id=job_id, before=before)
        for job_id in old.values_list("id", flat=True)[:_BATCH]
    ]
    _tidy_files(at)
    return Tidied(ends.count(JobState.PENDING), ends.count(JobState.FAILED), sum(deleted))


def _tidy_files(at: datetime) -> None:
    for job_id, changed_at in files.iterate_directories():
        job = Job.objects.filter(id=job_id).only("id", "state", "result_name").first()
        if job is None:
            if changed_at < (at - _YOUNG).timestamp():
                files.tidy(job_id, keeping="")
        elif job.is_finished:
            files.tidy(job_id, keeping=job.result_name)
