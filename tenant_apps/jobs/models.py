"""Work that takes longer than a request, and how it stands."""

import uuid
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Kept, Masked, Rule
from shared_apps.tenants.ownership import TenantModel
from tenant_apps.jobs.choices import UNFINISHED, JobPhase, JobState


class Job(TenantModel, Auditable):
    """One job. Whoever carries it out holds it by `attempt`: what an earlier attempt writes is refused."""

    # How far it has come is nothing for a trail; neither is what its result says, which is recorded as rows.
    audit = AuditPolicy(exclude=("phase", "progress", "lease_until", "result", "result_name"))
    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(by="requested_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Masked(columns=("file_name", "error_message", "result")),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=JobState, default=JobState.PENDING)
    phase = models.CharField(max_length=8, choices=JobPhase, blank=True)
    progress = models.PositiveSmallIntegerField(default=0)
    """Per cent of the phase."""
    attempt = models.PositiveSmallIntegerField(default=0)
    celery_task_id = models.CharField(max_length=36)
    requested_by = models.UUIDField(editable=False)
    limit_seconds = models.PositiveIntegerField()
    lease_until = models.DateTimeField()
    """Pending: when its message counts as lost; processing: when its worker does. Moved on meanwhile."""
    file_name = models.CharField(max_length=255, blank=True)
    """What whoever uploaded the file calls it; it is never a name in our storage."""
    upload_name = models.CharField(max_length=255, blank=True)
    result_name = models.CharField(max_length=255, blank=True)
    result: "models.JSONField[Any, Any]" = models.JSONField(null=True)
    error_message = models.CharField(max_length=1000, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(name="job_state_rule", condition=Q(state__in=JobState.values)),
            models.CheckConstraint(
                name="job_finish_rule",
                condition=Q(state__in=UNFINISHED, finished_at__isnull=True)
                | (~Q(state__in=UNFINISHED) & Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(name="job_progress_rule", condition=Q(progress__lte=100)),
        ]
        indexes = [
            models.Index(name="job_by_age", fields=["kind", "created_at", "id"]),
            # Few rows, however many jobs there were.
            models.Index(
                name="job_unfinished", fields=["lease_until"], condition=Q(state__in=UNFINISHED)
            ),
            models.Index(name="job_by_finish", fields=["finished_at"]),
        ]

    @property
    def is_finished(self) -> bool:
        return self.state not in UNFINISHED
