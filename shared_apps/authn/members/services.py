"""Keeping people out of one tenant at once. All in the operator's context."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.accounts import disabling
from shared_apps.authn.services import ending
from shared_apps.core import context


def disable_member(*, tenant_id: UUID, user_id: UUID, by: UUID | None, at: datetime) -> None:
    """Let somebody in no more, and end their sign-ins in this tenant; enabling brings none of them back.

    Raises:
        PersonNotFoundError, OwnRoleError, RoleExceedsOwnError, LastAdminError: nothing was changed.
    """
    with context.operator(), transaction.atomic():
        disabling.disable_member(tenant_id=tenant_id, user_id=user_id, by=by)
        ending.end_sessions(user_id=user_id, tenant_id=tenant_id, at=at)
