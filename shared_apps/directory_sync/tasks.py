from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from shared_apps.directory_sync import listing, nightly, services


@shared_task(name=services.LIST_TASK)
def list_people(*, preview_id: str, **_: Any) -> None:
    """Read the directory for a preview; safe to be delivered twice."""
    listing.carry_out(preview_id=UUID(preview_id), at=timezone.now())


@shared_task(name="directory_sync.request_nightly")
def request_nightly(**_: Any) -> int:
    """Daily."""
    return nightly.request(at=timezone.now())
