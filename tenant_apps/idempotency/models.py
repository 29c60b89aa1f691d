"""What requests with an Idempotency-Key were answered, each written in the transaction of its effect."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from shared_apps.core.personal import Deleted, Masked, Rule
from shared_apps.tenants.ownership import TenantModel


class StoredAnswer(TenantModel):
    """The answer to one request. There is no row while a request is carried out: a lock says so.

    Not in the audit trail: it is a copy of what the trail has of the effect, for a day.
    """

    personal: ClassVar[tuple[Rule, ...]] = (Deleted(by="person"), Masked(columns=("body",)))

    request = models.CharField(max_length=64, primary_key=True)
    """The digest of person, method, path and key."""
    person = models.UUIDField(editable=False)
    fingerprint = models.CharField(max_length=64)
    """The digest of what else was sent."""
    authority = models.JSONField(default=list)
    """The roles and permissions that the person had."""
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.TextField()
    is_complete = models.BooleanField(default=True)
    """Without it the answer could not be kept as text: too large, streamed, or not UTF-8."""
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="answer_status_rule", condition=models.Q(status__gte=200, status__lt=600)
            ),
        ]
