"""How people of a tenant's directory stand here. All in the operator's context.

For whoever compares all of them with the directory; of one who signs in `identities` knows.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from uuid import UUID

from shared_apps.accounts.choices import Role, RoleOrigin
from shared_apps.accounts.errors import LastAdminError
from shared_apps.accounts.models import Identity, UserTenantRole
from shared_apps.core import context

_BATCH = 500


@dataclass(frozen=True)
class Standing:
    """Somebody whom the directory was bound to."""

    user_id: UUID
    external_id: str
    belongs_to_directory: bool
    """Name and address are the directory's to say; of a linked member they are not."""
    name: str
    email: str
    username: str
    role: str
    """Empty: they are nobody in the tenant now."""
    is_granted: bool
    """A person gave the role, so groups do not change it."""
    is_active: bool
    """Whether they are let in with it."""


def list_standings(*, tenant_id: UUID, realm: UUID) -> Iterator[Standing]:
    """In the order of their external ids, a portion at a time."""
    last = ""
    while True:
        with context.operator():
            identities = Identity.objects.filter(realm=realm, external_id__gt=last)
            ids = list(
                identities.order_by("external_id").values_list("external_id", flat=True)[:_BATCH]
            )
        if not ids:
            return
        found = find_standings(tenant_id=tenant_id, realm=realm, external_ids=ids)
        yield from (found[external_id] for external_id in ids if external_id in found)
        last = ids[-1]


def find_standings(
    *, tenant_id: UUID, realm: UUID, external_ids: Collection[str], for_update: bool = False
) -> dict[str, Standing]:
    """By external id. With `for_update` nobody changes them until the transaction ends."""
    with context.operator():
        identities = Identity.objects.filter(realm=realm, external_id__in=external_ids)
        identities = identities.select_related("user").order_by("pk")
        members = UserTenantRole.objects.filter(
            tenant_id=tenant_id, user__identities__in=identities.order_by().values("pk")
        ).order_by("pk")
        if for_update:
            # Members first: as others who change roles do.
            members = members.select_for_update(of=("self",))
            identities = identities.select_for_update(of=("self", "user"))
        roles = {member.user_id: member for member in members}
        return {one.external_id: _standing(one, roles.get(one.user_id)) for one in identities}


def count_active(*, tenant_id: UUID, realm: UUID) -> int:
    """How many people of the directory are let in."""
    with context.operator():
        return UserTenantRole.objects.filter(
            tenant_id=tenant_id, is_active=True, user__identities__realm=realm
        ).count()


def _standing(identity: Identity, member: UserTenantRole | None) -> Standing:
    user = identity.user
    return Standing(
        user_id=user.id,
        external_id=identity.external_id,
        belongs_to_directory=user.realm == identity.realm,
        name=user.name,
        email=user.email,
        username=identity.username,
        role=member.role if member else "",
        is_granted=member is not None and member.origin != RoleOrigin.DIRECTORY,
        is_active=member is not None and member.is_active,
    )


def unbind(*, realm: UUID, user_id: UUID) -> None:
    """Have the directory mean nobody by this member, as before they were linked."""
    with context.operator():
        Identity.objects.filter(realm=realm, user_id=user_id).delete()


def lock_admins(*, tenant_id: UUID) -> int:
    """How many administrators are let in; nobody changes them until the transaction ends."""
    admins = UserTenantRole.objects.filter(tenant_id=tenant_id, role=Role.ADMIN).order_by("pk")
    with context.operator():
        locked = list(admins.select_related("user").select_for_update(of=("self",)))
    return sum(admin.is_active and admin.user.is_active for admin in locked)


def require_admin(*, tenant_id: UUID) -> None:
    """Raises LastAdminError: nobody who is let in administers the tenant."""
    with context.operator():
        if not UserTenantRole.objects.filter(
            tenant_id=tenant_id, role=Role.ADMIN, is_active=True, user__is_active=True
        ).exists():
            raise LastAdminError
