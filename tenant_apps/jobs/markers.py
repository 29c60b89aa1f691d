"""A job for the leak laboratory."""

from datetime import datetime
from uuid import UUID, uuid4

from tenant_apps.jobs.choices import JobState
from tenant_apps.jobs.models import Job


def plant(*, marker: str, person: UUID, at: datetime) -> None:
    problem = {"row": 2, "column": "vendor", "problem": marker, "value": marker}
    Job(
        kind="invoice-import", state=JobState.FAILED, celery_task_id=str(uuid4()), requested_by=person,
        limit_seconds=60, lease_until=at, file_name=marker[:255], error_message=marker,
        result={"rows": 1, "invoices": 0, "errors_count": 1, "errors": [problem]}, created_at=at, finished_at=at,
    ).save(force_insert=True)  # fmt: skip
