"""Reads of people and roles. All run in the operator's context, whoever asks."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from shared_apps.accounts import passwords
from shared_apps.accounts.choices import (
    OPERATOR_ROLE,
    RESERVED_ROLE_NAMES,
    ROLE_NAME,
    CrossTenantRole,
    Role,
)
from shared_apps.accounts.errors import PersonNotFoundError, RoleNotFoundError
from shared_apps.accounts.models import CrossTenantGrant, Identity, TenantRole, User, UserTenantRole
from shared_apps.core import context
from shared_apps.core.emails import canonical_email
from shared_apps.tenants import names


def find_user_by_email(*, email: str) -> User | None:
    """Never somebody of a directory: what it says of addresses it may say of anybody's."""
    with context.operator():
        return User.objects.filter(email=canonical_email(email), realm=None).first()


def find_user(*, user_id: UUID) -> User | None:
    with context.operator():
        return User.objects.filter(id=user_id).first()


def find_identity(*, realm: UUID, user_id: UUID) -> Identity | None:
    """Whom a directory means by this person; its `external_id` is what to ask the directory for."""
    with context.operator():
        return Identity.objects.filter(realm=realm, user_id=user_id).first()


def list_members(*, tenant_id: UUID) -> QuerySet[UserTenantRole]:
    """People of a tenant with their role. Lazy: evaluate it in the operator's context."""
    return (
        UserTenantRole.objects.filter(tenant_id=tenant_id)
        .select_related("user", "custom_role")
        .order_by("user__email")
    )


def list_admin_emails(*, tenant_ids: Collection[UUID]) -> dict[UUID, set[str]]:
    """The administrators' addresses of each of these tenants that has any; without people of directories."""
    found: dict[UUID, set[str]] = {}
    admins = UserTenantRole.objects.filter(
        tenant_id__in=tenant_ids, role=Role.ADMIN, user__realm=None
    )
    with context.operator():
        for tenant_id, email in admins.values_list("tenant_id", "user__email"):
            found.setdefault(tenant_id, set()).add(email)
    return found


def find_member(
    *, tenant_id: UUID, user_id: UUID, for_update: bool = False
) -> UserTenantRole | None:
    """With `for_update` nobody takes the role away until the transaction ends."""
    members = list_members(tenant_id=tenant_id).filter(user_id=user_id)
    if for_update:
        members = members.select_for_update(of=("self",), no_key=True)
    with context.operator():
        return members.first()


def get_member(*, tenant_id: UUID, user_id: UUID) -> UserTenantRole:
    """Raises PersonNotFoundError: nobody of this tenant, whoever else it may be."""
    member = find_member(tenant_id=tenant_id, user_id=user_id)
    if member is None:
        raise PersonNotFoundError
    return member


def list_custom_roles(*, tenant_id: UUID) -> QuerySet[TenantRole]:
    """Those that the tenant's administrators made. Lazy: evaluate it in the operator's context."""
    return TenantRole.objects.filter(tenant_id=tenant_id).order_by("name")


def get_custom_role(*, tenant_id: UUID, role_id: UUID) -> TenantRole:
    """Raises RoleNotFoundError: none of this tenant's, whoever else's it may be."""
    with context.operator():
        role = list_custom_roles(tenant_id=tenant_id).filter(id=role_id).first()
    if role is None:
        raise RoleNotFoundError
    return role


def is_role_name(name: str) -> bool:
    """Whether a tenant may call a role of its own so."""
    return re.fullmatch(ROLE_NAME, name) is not None and name not in RESERVED_ROLE_NAMES


def installation_roles(*, is_operator: bool, cross_tenant_roles: list[str]) -> tuple[str, ...]:
    """The roles that somebody has on the public host."""
    return (*((OPERATOR_ROLE,) if is_operator else ()), *cross_tenant_roles)


def list_installation_roles(*, user: User) -> tuple[str, ...]:
    with context.operator():
        grants = CrossTenantGrant.objects.filter(user=user)
        roles = list(grants.order_by("role").values_list("role", flat=True).distinct())
    return installation_roles(is_operator=user.is_operator, cross_tenant_roles=roles)


def support_grants() -> QuerySet[CrossTenantGrant]:
    """Of people who can sign in. Lazy: evaluate it in the operator's context."""
    return CrossTenantGrant.objects.filter(role=CrossTenantRole.SUPPORT, user__is_active=True)


def emails_of(*, user_ids: Collection[UUID]) -> dict[UUID, str]:
    with context.operator():
        return dict(User.objects.filter(id__in=user_ids).values_list("id", "email"))


def find_cross_tenant_scope(*, user_id: UUID) -> context.CrossTenantScope | None:
    """What somebody was granted as of now; None without a grant."""
    with context.operator():
        granted = CrossTenantGrant.objects.filter(user_id=user_id, user__is_active=True)
        tenants = frozenset(granted.values_list("tenant_id", flat=True))
    role = names.person_role_of(user_id, database=settings.DATABASES["default"]["NAME"])
    return (
        context.CrossTenantScope(user_id=user_id, role=role, tenants=tenants) if tenants else None
    )


@dataclass(frozen=True)
class PasswordState:
    is_usable: bool
    must_change: bool
    changed_at: datetime | None
    min_length: int | None


def get_password_state(*, user_id: UUID) -> PasswordState:
    """Raises PersonNotFoundError."""
    user = find_user(user_id=user_id)
    if user is None:
        raise PersonNotFoundError
    return PasswordState(
        is_usable=user.has_usable_password(),
        must_change=user.must_change_password,
        changed_at=user.password_changed_at,
        min_length=passwords.minimum_length(),
    )


def has_password_of(*, user: User) -> bool:
    """Whether the password is still the one that `user` was read with, and stays it until the
    transaction ends."""
    with context.operator():
        unchanged = User.objects.select_for_update(no_key=True).filter(
            id=user.pk, password_changed_at=user.password_changed_at, is_active=True
        )
        return bool(unchanged.values_list("id"))


def is_of_tenant_alone(*, user_id: UUID, tenant_id: UUID) -> bool:
    """Whether nobody but this tenant has given the person anything, so that its administrators may
    judge the account as a whole."""
    with context.operator():
        user = User.objects.filter(id=user_id, is_operator=False, is_managed_by_operator=False)
        elsewhere = UserTenantRole.objects.filter(user=user_id).exclude(tenant=tenant_id)
        grants = CrossTenantGrant.objects.filter(user=user_id)
        return user.exists() and not elsewhere.exists() and not grants.exists()
