"""Which role a name means in a tenant, and who may give it. In the operator's context."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from shared_apps.accounts.choices import PERMISSIONS_OF_ROLE, Permission, Role
from shared_apps.accounts.errors import RoleExceedsOwnError, RoleUnknownError
from shared_apps.accounts.models import TenantRole, User, UserTenantRole


@dataclass(frozen=True)
class GivenRole:
    name: str
    custom: TenantRole | None
    permissions: frozenset[Permission]


def find_role(*, tenant_id: UUID, name: str) -> GivenRole:
    """A built-in role or one of the tenant's own, which is not deleted until the transaction ends.

    Raises:
        RoleUnknownError: neither.
    """
    if name in Role.values:
        return GivenRole(name, None, PERMISSIONS_OF_ROLE[name])
    roles = TenantRole.objects.filter(tenant_id=tenant_id, name=name)
    custom = roles.select_for_update(no_key=True).first()
    if custom is None:
        raise RoleUnknownError(role=[RoleUnknownError.message])
    return GivenRole(name, custom, frozenset(map(Permission, custom.permissions)))


def require_within(
    permissions: Collection[Permission], *, tenant_id: UUID, by: UUID | None
) -> None:
    """Refuse what would reach beyond its author. None is the installation itself, which may.

    Raises:
        RoleExceedsOwnError: `by` may not do all of this in the tenant.
    """
    if by is None or User.objects.filter(id=by, is_operator=True, is_active=True).exists():
        return
    granter = (
        UserTenantRole.objects.filter(
            tenant_id=tenant_id, user_id=by, is_active=True, user__is_active=True
        )
        .select_related("custom_role")
        .select_for_update(of=("self",), no_key=True)
        .first()
    )
    if granter is None or not granter.permissions.issuperset(permissions):
        raise RoleExceedsOwnError
