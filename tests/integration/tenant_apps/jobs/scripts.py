"""Jobs whose script a test writes; see tests/job_kinds.py."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.core.files.base import ContentFile
from django.utils import timezone

from tenant_apps.jobs import files, services
from tenant_apps.jobs.models import Job
from tests import job_kinds
from tests.waiting import wait_until

assert job_kinds  # it has registered them
PATIENCE = 60.0


def ask_for(*, kind: str = "scripted", **script: Any) -> Job:
    return services.create_job(
        kind=kind,
        requested_by=uuid4(),
        upload=ContentFile(json.dumps(script, default=str).encode(), name="script.json"),
        suffix="json",
        at=timezone.now(),
    )


def state_of(job: Job) -> str:
    job.refresh_from_db()
    return str(job.state)


def await_state(job: Job, state: str) -> None:
    wait_until(lambda: state_of(job) == state, f"{job.id} is {state}", timeout=PATIENCE)


def await_hold(place: Path) -> None:
    wait_until(lambda: (place / "holding").exists(), "the job holds", timeout=PATIENCE)


def files_of(job: Job) -> list[str]:
    place = files.directory(job.id)
    return sorted(str(f.relative_to(place)) for f in place.rglob("*")) if place.exists() else []
