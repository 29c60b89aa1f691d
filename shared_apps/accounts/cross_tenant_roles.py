"""Roles over several tenants: who reads which, and the PostgreSQL role that they do it as."""

from datetime import datetime
from uuid import UUID

from django.db import connection, transaction

from shared_apps.accounts import selectors
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.accounts.errors import (
    GrantNotFoundError,
    PersonNotFoundError,
    RoleExistsError,
    SignInNotControlledError,
)
from shared_apps.accounts.models import CrossTenantGrant, User
from shared_apps.core import context


def grant_role(
    *, tenant_id: UUID, user_id: UUID, role: CrossTenantRole, by: UUID | None, at: datetime
) -> CrossTenantGrant:
    """Extend somebody's cross-tenant role to one tenant; for operators only.

    Raises:
        PersonNotFoundError: no such person.
        SignInNotControlledError: no operator created this person.
        RoleExistsError: granted already.
    """
    user = selectors.find_user(user_id=user_id)
    if user is None:
        raise PersonNotFoundError
    if not user.is_managed_by_operator:
        raise SignInNotControlledError
    with context.operator(), transaction.atomic():
        User.objects.select_for_update(no_key=True).filter(id=user_id).first()
        grant, is_new = CrossTenantGrant.objects.get_or_create(
            tenant_id=tenant_id, user_id=user_id, role=role, defaults={"granted_at": at, "granted_by": by}
        )  # fmt: skip
        _call("ensure_person_role", user_id)
    if not is_new:
        raise RoleExistsError
    return grant


def revoke_role(*, tenant_id: UUID, user_id: UUID, role: CrossTenantRole) -> None:
    """Take a tenant out of somebody's cross-tenant role; it counts from their next statement on.

    Raises:
        GrantNotFoundError: it was not granted.
    """
    with context.operator(), transaction.atomic():
        # The person's row is locked, so that a grant made meanwhile finds the role or makes it.
        User.objects.select_for_update(no_key=True).filter(id=user_id).first()
        grants = CrossTenantGrant.objects.filter(user_id=user_id)
        deleted, _ = grants.filter(tenant_id=tenant_id, role=role).delete()
        if not deleted:
            raise GrantNotFoundError
        if not grants.exists():
            drop_person_role(user_id=user_id)


def drop_person_role(*, user_id: UUID) -> None:
    """Drop the PostgreSQL role of somebody who has no grant; whose is gone already is passed over."""
    _call("drop_person_role", user_id)


def end_roles(*, tenant_id: UUID) -> None:
    """Take a tenant out of everybody's cross-tenant roles."""
    with context.operator():
        grants = list(CrossTenantGrant.objects.filter(tenant_id=tenant_id))
    for grant in grants:
        try:
            revoke_role(
                tenant_id=tenant_id, user_id=grant.user_id, role=CrossTenantRole(grant.role)
            )
        except GrantNotFoundError:
            continue  # somebody else did


def _call(function: str, user_id: UUID) -> None:
    """A function of fleet/functions.py, which makes or drops the person's PostgreSQL role."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT public.{function}(%s)", [user_id])
