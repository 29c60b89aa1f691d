from typing import Any
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from shared_apps.directory_sync import background, listing, nightly, services


@shared_task(name=services.LIST_TASK)
def list_people(*, preview_id: str, **_: Any) -> None:
    """Read the directory for a preview; safe to be delivered twice."""
    listing.carry_out(preview_id=UUID(preview_id), at=timezone.now())


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


@shared_task(name="directory_sync.request_nightly")
def request_nightly(**_: Any) -> int:
    """Daily."""
    return nightly.request(at=timezone.now())
