"""People and what they may do where. Shared rows: a person may work in several tenants."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from shared_apps.accounts.choices import CrossTenantRole, Role
from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.emails import canonical_email
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Anonymised, Deleted, Kept, Rule


class UserManager(BaseUserManager["User"]):
    """E-mail addresses are compared in their canonical form, whatever was typed."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=canonical_email(username or ""))


class User(Auditable, AbstractBaseUser):
    """A person. Operators run the installation; everybody else is given roles."""

    audit = AuditPolicy(redact=("password",))
    personal: ClassVar[tuple[Rule, ...]] = (
        Anonymised(by="id", columns=("email", "name", "password", "password_changed_at")),
    )

    # Sessions say when and where somebody signed in (authn).
    last_login = None

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.CharField(max_length=254, unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)
    is_managed_by_operator = models.BooleanField(default=False)
    """An operator created this person, so no tenant's administrator ever knew the password."""
    password_changed_at = models.DateTimeField(null=True)
    # With the database's own default: a version that does not know the column adds people too.
    must_change_password = models.BooleanField(default=False, db_default=False)
    """Somebody else knows the password, or had it reset: it opens nothing but its own change."""
    created_at = models.DateTimeField()
    erased_at = models.DateTimeField(null=True, editable=False)
    """Since when nobody is behind this account (erasure.py); nothing brings it back."""

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="user_email_is_canonical", condition=models.Q(email=Lower("email"))
            ),
            models.CheckConstraint(
                name="operator_is_managed_by_operator",
                condition=models.Q(is_operator=False) | models.Q(is_managed_by_operator=True),
            ),
            # No address begins like this, so nobody signs in or is invited with it.
            models.CheckConstraint(
                name="erased_user_tells_nothing",
                condition=models.Q(erased_at__isnull=True)
                | models.Q(
                    email__startswith="erased:", name="", is_active=False, is_operator=False
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.email


class UserTenantRole(Auditable):
    """What a person may do in one tenant."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(by="user", accountable=("role", "granted_at")),
        Kept(by="granted_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tenant_roles")
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="user_roles"
    )
    role = models.CharField(max_length=20, choices=Role)
    granted_at = models.DateTimeField()
    granted_by = models.UUIDField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_role_per_tenant", fields=["user", "tenant"]),
            models.CheckConstraint(
                name="tenant_role_rule", condition=models.Q(role__in=Role.values)
            ),
        ]


class CrossTenantGrant(Auditable):
    """One tenant that a cross-tenant role extends to. Granted by operators only."""

    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(by="user", accountable=("role", "granted_at")),
        Kept(by="granted_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="cross_tenant_grants")
    tenant = models.ForeignKey("tenants.Tenant", on_delete=models.CASCADE, related_name="grants")
    role = models.CharField(max_length=20, choices=CrossTenantRole)
    granted_at = models.DateTimeField()
    granted_by = models.UUIDField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_grant_per_tenant_and_role", fields=["user", "tenant", "role"]
            ),
            models.CheckConstraint(
                name="cross_tenant_role_rule", condition=models.Q(role__in=CrossTenantRole.values)
            ),
        ]
