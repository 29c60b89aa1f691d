"""People and what they may do where. Shared rows: a person may work in several tenants."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower

from shared_apps.accounts.choices import CrossTenantRole, Role
from shared_apps.accounts.emails import canonical_email
from shared_apps.audit.models import Auditable, AuditPolicy


class UserManager(BaseUserManager["User"]):
    """E-mail addresses are compared in their canonical form, whatever was typed."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=canonical_email(username or ""))


class User(Auditable, AbstractBaseUser):
    """A person. Operators run the installation; everybody else is given roles."""

    audit = AuditPolicy(exclude=("password",))

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
    created_at = models.DateTimeField()

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
        ]

    def __str__(self) -> str:
        return self.email


class UserTenantRole(Auditable):
    """What a person may do in one tenant."""

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
