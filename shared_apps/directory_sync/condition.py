"""How a tenant's synchronisation is: for its administrators, and for the operator's doctor."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.directory_sync import scheduled
from shared_apps.directory_sync.choices import Schedule, State
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.directory_sync.rules import Rules
from shared_apps.tenants import selectors as tenants

_COMPARED: Final = (State.PENDING, State.APPROVED, State.APPLIED, State.REJECTED, State.EXPIRED)
_WAITING: Final = (State.PENDING, State.APPROVED)
# Longer than beat or a worker may be away for a restart.
_LATE: Final = {
    Schedule.NIGHTLY: timedelta(hours=30),
    Schedule.HOURLY: timedelta(hours=4),
}


@dataclass(frozen=True)
class Status:
    schedule: str
    """Empty: previews are made when somebody asks for one."""
    applies_by_itself: bool
    problem: str
    """What came of the latest one of the schedule, if it went wrong or waits; else empty."""
    waiting_count: int
    """Previews that can be approved or applied still."""
    compared_at: datetime | None
    applied_at: datetime | None
    latest: SyncPreview | None


def status_of(*, tenant_id: UUID) -> Status:
    options = configuring.list_present(tenant_ids=[tenant_id])[tenant_id].options
    rules = Rules.of_options(options)
    previews = SyncPreview.objects.filter(tenant_id=tenant_id).order_by("-requested_at", "id")
    with context.operator():
        latest = previews.first()
        scheduled_one = previews.filter(is_scheduled=True).first()
        compared = previews.filter(state__in=_COMPARED).first()
        applied = previews.filter(state=State.APPLIED, undone_at=None).first()
        waiting = previews.filter(
            state__in=_WAITING, expires_at__gt=timezone.now(), items__isnull=False
        )
        return Status(
            schedule=rules.schedule or "",
            applies_by_itself=rules.automatic is not None,
            problem=scheduled_one.failure if scheduled_one else "",
            waiting_count=waiting.distinct().count(),
            compared_at=compared.requested_at if compared else None,
            applied_at=applied.applied_at if applied else None,
            latest=latest,
        )


def find_problems() -> Iterator[Finding]:
    """Of every tenant with a schedule whose latest preview failed, or is overdue."""
    for schedule in Schedule:
        for tenant_id in scheduled.list_wanted(schedule=schedule):
            yield from _examine(tenant_id, schedule, timezone.now())


def _examine(tenant_id: UUID, schedule: Schedule, at: datetime) -> Iterator[Finding]:
    own = SyncPreview.objects.filter(tenant_id=tenant_id, is_scheduled=True)
    with context.operator():
        latest = own.order_by("-requested_at", "id").first()
        slug = tenants.get_tenant_by_id(tenant_id=tenant_id).slug
    if latest is None:
        return  # declared just now, or beat has never run: other checks say so
    if latest.state == State.FAILED:
        yield Finding(
            f"directory of {slug}",
            f"it was not compared at {latest.requested_at:%Y-%m-%d %H:%M}: {latest.failure}",
            f"manage.py tenant auth test {slug}, then tenant sync {slug} preview",
        )
    elif latest.requested_at < at - _LATE[schedule]:
        yield Finding(
            f"directory of {slug}",
            f"it was compared at {latest.requested_at:%Y-%m-%d %H:%M} last, and is to be {schedule}",
            "are beat and a worker running?",
        )
