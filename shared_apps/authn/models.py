"""Sign-ins and the refresh tokens that prolong them. Shared tables."""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models.functions import Coalesce

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.authn.choices import SessionEnd, TicketPurpose
from shared_apps.core.personal import Deleted, Rule


class Session(Auditable):
    """One sign-in, at one tenant or (without a tenant) at the public host.

    It hangs on the role that opened it: taking the role away ends it for good, and a role that is
    granted again does not bring it back.
    """

    audit = AuditPolicy(exclude=("last_used_at", "expires_at"))
    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(
            by="user",
            accountable=("backend", "auth_time", "created_at", "revoked_at", "revoked_reason"),
        ),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="sessions")
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="sessions"
    )
    membership = models.ForeignKey(
        "accounts.UserTenantRole", null=True, on_delete=models.SET_NULL, related_name="sessions"
    )
    backend = models.CharField(max_length=20)
    auth_time = models.DateTimeField()
    """When the person proved who they are; nothing moves it."""
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    """Of a refresh; a request writes nothing."""
    expires_at = models.DateTimeField()
    """When it ends unless it is refreshed."""
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=20, choices=SessionEnd, blank=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [
            # For the daily clean-up.
            models.Index(Coalesce("revoked_at", "expires_at"), name="session_ended_at"),
        ]
        constraints = [
            models.CheckConstraint(
                name="session_end_has_reason",
                condition=models.Q(revoked_at__isnull=True, revoked_reason="")
                | models.Q(revoked_at__isnull=False, revoked_reason__in=SessionEnd.values),
            ),
            models.CheckConstraint(
                name="session_membership_is_of_a_tenant",
                condition=models.Q(membership__isnull=True) | models.Q(tenant__isnull=False),
            ),
        ]


class RefreshToken(models.Model):
    """One link of a session's chain: good for one use. The token itself is not kept."""

    jti = models.UUIDField(primary_key=True, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="refresh_tokens")
    hash = models.CharField(max_length=64, editable=False)
    """SHA-256 of the token as it was sent, in hexadecimal."""
    issued_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(db_index=True)


class Ticket(models.Model):
    """Good for one thing, once, for minutes; no access token. What was handed out is not kept."""

    personal: ClassVar[tuple[Rule, ...]] = (Deleted(by="user"), Deleted(by="email"))

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    """SHA-256 of what was handed out, in hexadecimal."""
    purpose = models.CharField(max_length=20, choices=TicketPurpose)
    tenant = models.ForeignKey(
        "tenants.Tenant", null=True, on_delete=models.CASCADE, related_name="tickets"
    )
    """At whose host it is good; None: at the public host."""
    user = models.ForeignKey(
        "accounts.User", null=True, on_delete=models.CASCADE, related_name="tickets"
    )
    email = models.CharField(max_length=254, blank=True)
    """The address that it proves."""
    bound_to = models.CharField(max_length=64, blank=True, editable=False)
    """What of the person it dies with (tickets.py): their password and address."""
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="ticket_purpose_rule", condition=models.Q(purpose__in=TicketPurpose.values)
            ),
            models.CheckConstraint(
                name="ticket_is_somebodys",
                condition=models.Q(user__isnull=False)
                | models.Q(purpose=TicketPurpose.REGISTRATION),
            ),
        ]


class RegistrationPolicy(Auditable):
    """Who may register themselves at a tenant. Without a row: nobody."""

    tenant = models.OneToOneField(
        "tenants.Tenant", primary_key=True, on_delete=models.CASCADE, related_name="registration"
    )
    email_domains = models.JSONField()
    """What stands behind the @, sorted; `*` is any."""
