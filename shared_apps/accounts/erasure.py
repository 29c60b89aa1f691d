"""What becomes of an account whose person is erased. All in the operator's context.

First it is withdrawn, so that nobody signs in with it any more; its address and name go last, when
everything else that could be found by them is done.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import passwords
from shared_apps.accounts.choices import Role
from shared_apps.accounts.cross_tenant_roles import drop_person_role
from shared_apps.accounts.errors import LastOperatorError, TenantOrphanedError
from shared_apps.accounts.models import CrossTenantGrant, User, UserTenantRole
from shared_apps.core import context
from shared_apps.core.emails import canonical_email
from shared_apps.tenants.choices import TenantState

_WITH_PEOPLE = (TenantState.ACTIVE, TenantState.SUSPENDED)


def list_orphaned(*, user_id: UUID) -> list[str]:
    """Slugs of the tenants that would be left without an administrator."""
    with context.operator():
        return sorted(_orphaned(user_id, lock=False))


def is_last_operator(*, user_id: UUID) -> bool:
    with context.operator():
        return _is_last_operator(user_id)


def count_claimed(*, email: str) -> int:
    """People of tenants' directories who are said to have this address. Whether it is theirs nobody knows."""
    with context.operator():
        return User.objects.filter(email=canonical_email(email)).exclude(realm=None).count()


def withdraw(*, user_id: UUID, orphaned: Collection[str] = (), last_operator: bool = False) -> None:
    """Let nobody sign in with an account any more.

    Raises:
        TenantOrphanedError: a tenant that is not among `orphaned` would lose its last administrator.
        LastOperatorError: nobody would be left to run the installation.
    """
    with context.operator(), transaction.atomic():
        # Administrators and operators who are erased at once wait for each other here.
        left = sorted(_orphaned(user_id, lock=True) - set(orphaned))
        if left:
            raise TenantOrphanedError(tenants=", ".join(left))
        list(User.objects.filter(is_operator=True).order_by("pk").select_for_update(no_key=True))
        if _is_last_operator(user_id) and not last_operator:
            raise LastOperatorError
        User.objects.filter(id=user_id).update(is_active=False)


def drop_role(*, user_id: UUID) -> None:
    """Drop the PostgreSQL role of somebody whose grants are gone."""
    with context.operator():
        if not CrossTenantGrant.objects.filter(user_id=user_id).exists():
            drop_person_role(user_id=user_id)


def anonymise(*, user_id: UUID, at: datetime) -> bool:
    """Take everything that tells who it was from a withdrawn account; whether it was there to take.

    Its id stays, because rows and the trail refer to it. The address is free for somebody new.
    """
    with context.operator():
        return bool(
            User.objects.filter(id=user_id, erased_at=None, is_active=False).update(
                email=f"erased:{user_id}", name="", password=passwords.unusable_hash(),
                password_changed_at=None, is_operator=False, is_managed_by_operator=False, erased_at=at,
            )
        )  # fmt: skip


def _orphaned(user_id: UUID, *, lock: bool) -> set[str]:
    own = UserTenantRole.objects.filter(
        user_id=user_id, role=Role.ADMIN, tenant__state__in=_WITH_PEOPLE
    )
    slugs = dict(own.values_list("tenant_id", "tenant__slug"))
    admins = UserTenantRole.objects.filter(tenant_id__in=slugs, role=Role.ADMIN)
    admins = admins.select_related("user").order_by("pk")
    rows = list(admins.select_for_update(of=("self",)) if lock else admins)
    others = {
        row.tenant_id
        for row in rows
        if row.user_id != user_id and row.is_active and row.user.is_active
    }
    return {slug for tenant_id, slug in slugs.items() if tenant_id not in others}


def _is_last_operator(user_id: UUID) -> bool:
    operators = User.objects.filter(is_operator=True, is_active=True)
    return operators.filter(id=user_id).exists() and operators.count() == 1
