"""From somebody who was proven to a session, whatever was changed meanwhile."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction

from shared_apps.accounts import selectors as people
from shared_apps.authn import backends
from shared_apps.authn.backends import Way
from shared_apps.authn.choices import BREAK_GLASS
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    InvalidCredentialsError,
    NoMembershipError,
)
from shared_apps.authn.models import Session
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services.issuing import TokenPair, attributed_to, issue_pair
from shared_apps.core import context

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Client:
    """What a sign-in came from; shown to its owner, never believed."""

    ip: str | None
    user_agent: str


def open_session(
    *, tenant_id: UUID | None, user: "User", way: Way, username: str, client: Client,
    auth_time: datetime, at: datetime,
) -> tuple[SignIn, TokenPair]:  # fmt: skip
    """For somebody who was proven at `auth_time`, that way, by this name; empty if they gave none.

    Raises:
        NoMembershipError: there is no role here.
        BackendUnavailableError: it is not the way here any more.
    """
    with context.operator(), attributed_to(user.id), transaction.atomic():
        # Locked: a change of the password ends the sessions that are there, so none may come after it
        # by the old one.
        if not people.has_password_of(user=user):
            raise InvalidCredentialsError
        if tenant_id is None:
            membership, roles = None, people.list_installation_roles(user=user)
        else:
            membership = people.find_member(tenant_id=tenant_id, user_id=user.id, for_update=True)
            roles = (membership.role,) if membership else ()
        if not roles:
            raise NoMembershipError
        if membership is not None and not membership.is_active:
            raise AccountRestrictedError
        if tenant_id is not None:
            _hold_tenant(tenant_id)
        if not backends.is_still(way, tenant_id=tenant_id, username=username):
            # It was changed while the former backend was asked: what that proved counts no more.
            raise BackendUnavailableError
        session = Session.objects.create(
            user=user, tenant_id=tenant_id, membership=membership, backend=way.name,
            directory_checked_at=auth_time if way.realm else None, auth_time=auth_time,
            created_at=at, last_used_at=at, expires_at=at,
            ip=client.ip, user_agent=client.user_agent,
        )  # fmt: skip
        pair = issue_pair(session=session, at=at)
    if way.name == BREAK_GLASS:
        logger.warning("Signed in by break-glass: %s", user.id)
    custom = membership.permissions if membership and membership.custom_role else frozenset()
    return SignIn(session.id, user, tenant_id, roles, custom_permissions=custom), pair


def _hold_tenant(tenant_id: UUID) -> None:
    """Whoever changes the tenant's backend waits until this transaction ends, or it for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR KEY SHARE", [tenant_id])
