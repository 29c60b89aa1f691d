from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from shared_apps.directory_sync import automatic, background, listing, scheduled, services
from shared_apps.directory_sync.choices import Schedule


@shared_task(name=services.LIST_TASK)
def list_people(*, preview_id: str, is_full: bool = False, **_: Any) -> None:
    """Read the directory for a preview; safe to be delivered twice."""
    listing.carry_out(preview_id=UUID(preview_id), at=timezone.now(), is_full=is_full)
    automatic.settle(preview_id=UUID(preview_id), at=timezone.now())


@shared_task(name=background.APPLY_TASK)
def apply(
    *,
    tenant_id: str,
    preview_id: str,
    fingerprint: str,
    by: str | None,
    override_reason: str,
    **_: Any,
) -> None:
    """Apply a preview of many people; safe to be delivered twice."""
    background.carry_out(
        tenant_id=UUID(tenant_id),
        preview_id=UUID(preview_id),
        fingerprint=fingerprint,
        by=UUID(by) if by else None,
        override_reason=override_reason,
        at=timezone.now(),
    )


@shared_task(name="directory_sync.request_scheduled")
def request_scheduled(*, schedule: str, **_: Any) -> int:
    """As often as the schedule says."""
    return scheduled.request(schedule=Schedule(schedule), at=timezone.now())
