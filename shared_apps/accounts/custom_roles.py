"""The roles that a tenant's administrators make. All in the operator's context, whoever asks."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction

from shared_apps.accounts import granting, selectors
from shared_apps.accounts.choices import Permission
from shared_apps.accounts.errors import (
    RoleInUseError,
    RoleNameError,
    RoleNameTakenError,
    RoleNotFoundError,
    TooManyRolesError,
)
from shared_apps.accounts.models import TenantRole
from shared_apps.core import context

MOST_ROLES = 100


def create_role(
    *,
    tenant_id: UUID,
    name: str,
    permissions: Collection[Permission],
    by: UUID | None,
    at: datetime,
) -> TenantRole:
    """Make a role that the tenant's people can be given.

    Raises:
        RoleNameError: not a name, or a built-in role's.
        RoleNameTakenError: there is one.
        RoleExceedsOwnError: `by` may not do all of it.
        TooManyRolesError: MOST_ROLES are there.
    """
    _require_name(name)
    with context.operator():
        if selectors.list_custom_roles(tenant_id=tenant_id).count() >= MOST_ROLES:
            raise TooManyRolesError(most=MOST_ROLES)
        try:
            with transaction.atomic():
                granting.require_within(permissions, tenant_id=tenant_id, by=by)
                return TenantRole.objects.create(
                    tenant_id=tenant_id, name=name, permissions=_ordered(permissions), created_at=at
                )
        except IntegrityError as error:
            raise _judged(error) from None


def change_custom_role(
    *, tenant_id: UUID, role_id: UUID, name: str | None, permissions: Collection[Permission] | None,
    by: UUID | None,
) -> TenantRole:  # fmt: skip
    """Rename a role or change what it allows; None leaves it. It counts from its people's next request on.

    Raises:
        RoleNotFoundError: none of this tenant's.
        RoleExceedsOwnError: `by` may not do all that it allows or would allow.
        RoleNameError, RoleNameTakenError: as for a new one.
    """
    if name is not None:
        _require_name(name)
    with context.operator():
        try:
            with transaction.atomic():
                role = _lock(tenant_id=tenant_id, role_id=role_id)
                wanted = role.permissions if permissions is None else permissions
                reach = {*map(Permission, role.permissions), *map(Permission, wanted)}
                granting.require_within(reach, tenant_id=tenant_id, by=by)
                role.permissions = _ordered(wanted)
                role.name = role.name if name is None else name
                role.save(update_fields=["name", "permissions"])
                return role
        except IntegrityError as error:
            raise _judged(error) from None


def delete_role(*, tenant_id: UUID, role_id: UUID, by: UUID | None, force: bool = False) -> None:
    """Delete a role. Whoever has it keeps its name and may do nothing from the next request on.

    Raises:
        RoleNotFoundError: none of this tenant's.
        RoleExceedsOwnError: it allows more than `by` may do.
        RoleInUseError: somebody has it, unless `force`.
    """
    with context.operator(), transaction.atomic():
        role = _lock(tenant_id=tenant_id, role_id=role_id)
        granting.require_within(
            frozenset(map(Permission, role.permissions)), tenant_id=tenant_id, by=by
        )
        people = role.holders.count()
        if people and not force:
            raise RoleInUseError(people=people)
        role.delete()


def _lock(*, tenant_id: UUID, role_id: UUID) -> TenantRole:
    """Whoever is being given the role waits, or is waited for."""
    role = TenantRole.objects.select_for_update().filter(tenant_id=tenant_id, id=role_id).first()
    if role is None:
        raise RoleNotFoundError
    return role


def _require_name(name: str) -> None:
    if not selectors.is_role_name(name):
        raise RoleNameError(name=[RoleNameError.message])


def _ordered(permissions: Collection[str]) -> list[str]:
    return [known.value for known in Permission if known in permissions]


def _judged(error: IntegrityError) -> Exception:
    return RoleNameTakenError() if "one_custom_role_per_name" in str(error) else error
