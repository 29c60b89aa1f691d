"""Keeping somebody out of one tenant without taking their role away. In the operator's context."""

from uuid import UUID

from django.db import transaction

from shared_apps.accounts.services import lock_member
from shared_apps.core import context


def disable_member(*, tenant_id: UUID, user_id: UUID, by: UUID | None) -> None:
    """Nobody is let in with this role until it is enabled again; safe to repeat.

    Raises:
        PersonNotFoundError: nobody of this tenant.
        OwnRoleError: nobody disables themselves.
        RoleExceedsOwnError: the role allows more than `by` may do.
        LastAdminError: no administrator would be left.
    """
    _set(tenant_id=tenant_id, user_id=user_id, by=by, is_active=False)


def enable_member(*, tenant_id: UUID, user_id: UUID, by: UUID | None) -> None:
    """Raises PersonNotFoundError, OwnRoleError, RoleExceedsOwnError: as for disabling."""
    _set(tenant_id=tenant_id, user_id=user_id, by=by, is_active=True)


def _set(*, tenant_id: UUID, user_id: UUID, by: UUID | None, is_active: bool) -> None:
    with context.operator(), transaction.atomic():
        member = lock_member(tenant_id=tenant_id, user_id=user_id, by=by, keeps_admin=is_active)
        if member.is_active != is_active:
            member.is_active = is_active
            member.save(update_fields=["is_active"])
