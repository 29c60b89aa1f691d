"""People and what they may do where. Shared rows: a person may work in several tenants."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Lower

from shared_apps.accounts.choices import (
    PERMISSIONS_OF_ROLE,
    RESERVED_ROLE_NAMES,
    ROLE_NAME,
    CrossTenantRole,
    Permission,
    Role,
    RoleOrigin,
)
from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.core.emails import canonical_email
from shared_apps.core.personal import ACCOUNTABILITY, ID_ALONE, Anonymised, Deleted, Kept, Rule


class UserManager(BaseUserManager["User"]):
    """E-mail addresses are compared in their canonical form, whatever was typed."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=canonical_email(username or ""), realm=None)


class User(Auditable, AbstractBaseUser):
    """A person. Operators run the installation; everybody else is given roles."""

    audit = AuditPolicy(redact=("password",))
    personal: ClassVar[tuple[Rule, ...]] = (
        Anonymised(by="id", columns=("email", "name", "password", "password_changed_at")),
    )

    # Sessions say when and where somebody signed in (authn).
    last_login = None

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.CharField(max_length=254, blank=True)
    """Of people without a realm it is their name here, and theirs alone. Of people of a directory it is
    what that directory claims: nobody is found by it, and it may be empty or anybody's."""
    name = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    is_operator = models.BooleanField(default=False)
    is_managed_by_operator = models.BooleanField(default=False)
    """An operator created this person, so no tenant's administrator ever knew the password."""
    realm = models.UUIDField(null=True, editable=False)
    """The directory that this person came from and belongs to alone."""
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
            models.UniqueConstraint(
                name="one_person_per_email", fields=["email"], condition=models.Q(realm=None)
            ),
            models.CheckConstraint(
                name="user_without_realm_has_email",
                condition=models.Q(realm__isnull=False) | ~models.Q(email=""),
            ),
            # What one tenant's directory says of somebody counts in that tenant only.
            models.CheckConstraint(
                name="operators_are_of_no_realm",
                condition=models.Q(realm__isnull=True) | models.Q(is_managed_by_operator=False),
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


class Identity(Auditable):
    """Whom a directory means: bound to one person for good, by what it never changes of them."""

    audit = AuditPolicy(exclude=("seen_at",))
    personal: ClassVar[tuple[Rule, ...]] = (Deleted(by="user", accountable=("realm", "bound_at")),)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    realm = models.UUIDField(editable=False)
    external_id = models.CharField(max_length=200, editable=False)
    username = models.CharField(max_length=256)
    """As the directory had it last; shown, and never what anybody is recognised by."""
    bound_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="one_person_per_external_id", fields=["realm", "external_id"]
            ),
            models.UniqueConstraint(
                name="one_identity_per_person_and_realm", fields=["user", "realm"]
            ),
        ]


class TenantRole(Auditable):
    """A role that a tenant's administrators made; `Role` holds those that every tenant has."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="custom_roles"
    )
    name = models.CharField(max_length=40)
    permissions = ArrayField(models.CharField(max_length=10, choices=Permission))
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="one_custom_role_per_name", fields=["tenant", "name"]),
            # What `custom_role_is_of_the_tenant` of the members' table refers to.
            models.UniqueConstraint(
                name="custom_role_by_tenant_and_name", fields=["id", "tenant", "name"]
            ),
            models.CheckConstraint(
                name="custom_role_name_rule",
                condition=models.Q(name__regex=ROLE_NAME) & ~models.Q(name__in=RESERVED_ROLE_NAMES),
            ),
            models.CheckConstraint(
                name="custom_role_permissions_rule",
                condition=models.Q(
                    permissions__contained_by=Permission.values, permissions__len__gte=1
                ),
            ),
        ]


class UserTenantRole(Auditable):
    """What a person may do in one tenant.

    `role` is the name of a built-in role, or of `custom_role`, whose tenant and name the database
    compares with these (accounts migration 0004). A custom role that is deleted leaves its name behind,
    which allows nothing, not even when another role gets that name.
    """

    personal: ClassVar[tuple[Rule, ...]] = (
        Deleted(by="user", accountable=("role", "is_active", "origin", "granted_at")),
        Kept(by="granted_by", reason=ID_ALONE, ground=ACCOUNTABILITY),
    )

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tenant_roles")
    tenant = models.ForeignKey(
        "tenants.Tenant", on_delete=models.CASCADE, related_name="user_roles"
    )
    role = models.CharField(max_length=40)
    custom_role = models.ForeignKey(
        TenantRole,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        related_name="holders",
    )
    is_active = models.BooleanField(default=True, db_default=True)
    """Not of somebody whom an administrator has disabled here; the role waits for them."""
    granted_at = models.DateTimeField()
    granted_by = models.UUIDField(null=True, editable=False)
    origin = models.CharField(
        max_length=20, choices=RoleOrigin, default=RoleOrigin.GRANTED, db_default=RoleOrigin.GRANTED
    )
    """A role that the directory's groups give goes with them; one that a person gave does not."""

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="tenant_role_origin_rule", condition=models.Q(origin__in=RoleOrigin.values)
            ),
            models.UniqueConstraint(name="one_role_per_tenant", fields=["user", "tenant"]),
            models.CheckConstraint(
                name="tenant_role_is_one_of_two",
                condition=models.Q(role__in=Role.values, custom_role__isnull=True)
                | models.Q(role__regex=ROLE_NAME) & ~models.Q(role__in=RESERVED_ROLE_NAMES),
            ),
        ]

    @property
    def permissions(self) -> frozenset[Permission]:
        if self.custom_role is not None:
            return frozenset(map(Permission, self.custom_role.permissions))
        return PERMISSIONS_OF_ROLE[self.role] if self.role in Role.values else frozenset()


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
