"""Mail on its way out. A shared table, for the operator's context alone."""

import uuid
from typing import ClassVar

from django.db import models

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.personal import Deleted, Kept, Rule
from shared_apps.mail.choices import OPEN, MailKind, MailPriority, MailSecurity, MailState


class TenantMailServer(Auditable):
    """By which server a tenant's mails go out, in whose name. Without a row: the installation's."""

    audit = AuditPolicy(redact=("password",))
    personal: ClassVar[tuple[Rule, ...]] = (
        Kept(
            by="user",
            reason="the tenant's mails leave by this account: give it another in tenants.yaml",
            ground="GDPR Art. 6(1)(b): the service that the tenant ordered",
        ),
    )

    tenant = models.OneToOneField(
        "tenants.Tenant", primary_key=True, on_delete=models.CASCADE, related_name="mail_server"
    )
    host = models.CharField(max_length=253)
    port = models.PositiveIntegerField()
    security = models.CharField(max_length=8, choices=MailSecurity)
    ca_certificate = models.TextField(blank=True)
    """Who vouches for it, as PEM; blank: the system's authorities."""
    sender = models.CharField(max_length=254)
    user = models.CharField(max_length=254, blank=True)
    password = models.BinaryField(default=bytes, editable=False)
    """Sealed for this tenant (sealing.py)."""
    password_key = models.CharField(max_length=100, blank=True, editable=False)
    """Which of AUTH_ENCRYPTION_KEYS sealed it."""
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="mail_server_is_encrypted",
                condition=models.Q(security__in=MailSecurity.values),
            ),
        ]


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
    priority = models.PositiveSmallIntegerField(choices=MailPriority, default=MailPriority.NORMAL)
    state = models.CharField(max_length=10, choices=MailState, default=MailState.PENDING)
    created_at = models.DateTimeField()
    good_until = models.DateTimeField(null=True)
    """From then on it is of no use."""
    next_attempt_at = models.DateTimeField()
    """While somebody sends it: when another may take it for lost and send it."""
    lease = models.UUIDField(null=True, editable=False)
    """Of whoever sends it now."""
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                name="mail_lines",
                fields=["line", "priority", "next_attempt_at", "created_at"],
                condition=models.Q(state__in=OPEN),
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
                condition=models.Q(state__in=[*OPEN, MailState.FAILED]) | models.Q(body=""),
            ),
        ]
