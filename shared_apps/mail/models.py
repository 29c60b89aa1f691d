"""Mail on its way out. A shared table, for the operator's context alone."""

import uuid
from typing import ClassVar

from django.db import models

from shared_apps.core.personal import Deleted, Rule
from shared_apps.mail.choices import MailKind, MailState


class OutgoingMail(models.Model):
    """One mail to one recipient, written in the transaction of what it is about.

    Its text is sealed, because a link in it is worth a password, and goes when it was sent.
    """

    personal: ClassVar[tuple[Rule, ...]] = (Deleted(by="recipient"),)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="mails"
    )
    """Whom it is from; None: the installation."""
    line = models.UUIDField(editable=False)
    """Lines take turns: the tenant's id, or zero for the installation's own."""
    kind = models.CharField(max_length=40, choices=MailKind)
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body = models.TextField(blank=True, editable=False)
    """Sealed (sealing.py)."""
    message_id = models.CharField(max_length=200, editable=False)
    """The same at every attempt, so that a mail server recognises the second copy."""
    state = models.CharField(max_length=7, choices=MailState, default=MailState.WAITING)
    created_at = models.DateTimeField()
    good_until = models.DateTimeField(null=True)
    """From then on it is of no use."""
    next_attempt_at = models.DateTimeField()
    """While somebody sends it: when another may take it for lost."""
    lease = models.UUIDField(null=True, editable=False)
    """Of whoever sends it now."""
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                name="mail_lines",
                fields=["line", "next_attempt_at"],
                condition=models.Q(state=MailState.WAITING),
            ),
            models.Index(fields=["finished_at"], name="mail_finished_at"),
            models.Index(fields=["recipient", "created_at"], name="mail_to"),
        ]
        constraints = [
            models.CheckConstraint(
                name="mail_state_rule", condition=models.Q(state__in=MailState.values)
            ),
            models.CheckConstraint(
                name="mail_text_goes_with_its_use",
                condition=models.Q(state__in=[MailState.WAITING, MailState.DEAD])
                | models.Q(body=""),
            ),
        ]
