"""Sign-ins and the refresh tokens that prolong them. Shared tables."""

import uuid
from datetime import timedelta
from typing import ClassVar

from django.db import models
from django.db.models.functions import Coalesce

from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.authn.choices import SessionEnd, TicketPurpose
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Deleted, Kept, Masked, Rule

LONGEST_IMPERSONATION = timedelta(minutes=60)


class AuthConfiguration(Auditable):
    """Where and how the people of one tenant prove who they are. Without a row: by our own passwords."""

    audit = AuditPolicy(redact=("secrets",))
    personal: ClassVar[tuple[Rule, ...]] = (Masked(columns=("break_glass",)),)

    tenant = models.OneToOneField(
        "tenants.Tenant", primary_key=True, on_delete=models.CASCADE, related_name="auth"
    )
    kind = models.CharField(max_length=40)
    realm = models.UUIDField(editable=False)
    options = models.JSONField(default=dict)
    secrets = models.BinaryField(default=bytes, editable=False)
    """All of them together, sealed for this tenant (configurations.py)."""
    secrets_key = models.CharField(max_length=100, blank=True, editable=False)
    """Which of AUTH_ENCRYPTION_KEYS sealed them."""
    break_glass = models.JSONField(default=list)
    """Addresses of those who always sign in by our own passwords, also while the backend is down."""
    changed_at = models.DateTimeField()


class Session(Auditable):
    """One sign-in, at one tenant or (without a tenant) at the public host.

    It hangs on the role that opened it: taking the role away ends it for good, and a role that is
    granted again does not bring it back.
    """

    audit = AuditPolicy(exclude=("last_used_at", "expires_at", "directory_checked_at"))
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
    backend = models.CharField(max_length=40)
    """The kind that proved it, or `break_glass`."""
    directory_checked_at = models.DateTimeField(null=True)
    """When the directory was last asked about this person; None where none was."""
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


class BrowserCookie(models.Model):
    """By which a browser shows that a session is its own. The cookie itself is not kept."""

    hash = models.CharField(max_length=64, primary_key=True, editable=False)
    session = models.OneToOneField(Session, on_delete=models.CASCADE, related_name="browser_cookie")


class RefreshToken(models.Model):
    """One link of a session's chain: good for one use. The token itself is not kept."""

    jti = models.UUIDField(primary_key=True, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="refresh_tokens")
    hash = models.CharField(max_length=64, editable=False)
    """SHA-256 of the token as it was sent, in hexadecimal."""
    issued_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(db_index=True)


class Impersonation(Auditable):
    """Somebody of support at work in a tenant as one of its people. Outlives the session that it is."""

    audit = AuditPolicy(exclude=("session",))
    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(by="user", accountable=("started_at", "ends_at", "ended_at", "may_write")),
        Kept(by="impersonator_id", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Kept(by="ended_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
        Masked(columns=("reason",)),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="impersonations"
    )
    user = models.ForeignKey(
        "accounts.User", on_delete=models.CASCADE, related_name="impersonations"
    )
    """As whom."""
    impersonator_id = models.UUIDField(editable=False)
    session = models.OneToOneField(
        Session, null=True, on_delete=models.SET_NULL, related_name="impersonation"
    )
    reason = models.CharField(max_length=500)
    may_write = models.BooleanField(default=False)
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.UUIDField(null=True, editable=False)
    """Empty where nobody did: its time was over, or what it rested on was taken away."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_impersonation_at_a_time",
                fields=["impersonator_id"],
                condition=models.Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="impersonation_is_of_somebody_else",
                condition=~models.Q(user=models.F("impersonator_id")),
            ),
            models.CheckConstraint(
                name="impersonation_is_short",
                condition=models.Q(
                    ends_at__gt=models.F("started_at"),
                    ends_at__lte=models.F("started_at") + LONGEST_IMPERSONATION,
                ),
            ),
        ]
        indexes = [models.Index(fields=["tenant", "-started_at"], name="impersonation_by_tenant")]


class SignInPolicy(Auditable):
    """How long sign-ins at a tenant last, where it is less than the installation allows; empty: as long."""

    tenant = models.OneToOneField(
        "tenants.Tenant", primary_key=True, on_delete=models.CASCADE, related_name="sign_in_policy"
    )
    access_token_minutes = models.PositiveSmallIntegerField(null=True)
    refresh_token_days = models.PositiveSmallIntegerField(null=True)
    max_login_hours = models.PositiveSmallIntegerField(null=True)

    class Meta:
        constraints = [
            # A check passes where a value is empty.
            models.CheckConstraint(
                name="sign_in_policy_ranges",
                condition=models.Q(
                    access_token_minutes__range=(15, 60),
                    refresh_token_days__range=(1, 30),
                    max_login_hours__range=(1, 720),
                ),
            ),
        ]


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
