"""From somebody who was proven to a session, whatever was changed meanwhile."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import connection, transaction

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission
from shared_apps.authn import backends
from shared_apps.authn.backends import Way
from shared_apps.authn.choices import BREAK_GLASS
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    InvalidCredentialsError,
    NoMembershipError,
)
from shared_apps.authn.lifetimes import Declared, effective
from shared_apps.authn.models import Session
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.services import issuing
from shared_apps.authn.services.issuing import TokenPair, attributed_to
from shared_apps.authn.tokens import Lifetimes, installed_lifetimes
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
        place = _hold_public_host(user) if tenant_id is None else _hold_membership(user, tenant_id)
        if not backends.is_still(way, tenant_id=tenant_id, username=username):
            # It was changed while the former backend was asked: what that proved counts no more.
            raise BackendUnavailableError
        session = Session(
            user=user, tenant_id=tenant_id, membership_id=place.membership_id, backend=way.name,
            directory_checked_at=auth_time if way.realm else None, auth_time=auth_time,
            created_at=at, ip=client.ip, user_agent=client.user_agent,
        )  # fmt: skip
        pair = issuing.begin(session=session, realm=way.realm, lifetimes=place.lifetimes, at=at)
    if way.name == BREAK_GLASS:
        logger.warning("Signed in by break-glass: %s", user.id)
    sign_in = SignIn(
        session.id, user, tenant_id, place.roles, custom_permissions=place.custom_permissions
    )
    return sign_in, pair


@dataclass(frozen=True, slots=True)
class _Place:
    """Where somebody signs in, held as it is until the transaction ends."""

    roles: tuple[str, ...]
    lifetimes: Lifetimes
    membership_id: UUID | None = None
    custom_permissions: frozenset[Permission] = frozenset()


# Locked are: the person, because a change of the password ends the sessions that are there, so none may
# come after it by the old one; the role, so that nobody takes it away; and the tenant, so that whoever
# changes its backend waits until this transaction ends, or it for them. In this order, each row as
# it is when its lock is had.
_MEMBERSHIP = """
    SELECT member.id, member.role, member.is_active,
        (SELECT permissions FROM accounts_tenantrole WHERE id = member.custom_role_id),
        policy.access_token_minutes, policy.refresh_token_days, policy.max_login_hours
    FROM accounts_user person
    JOIN accounts_usertenantrole member ON member.user_id = person.id
    JOIN tenants_tenant tenant ON tenant.id = member.tenant_id
    LEFT JOIN authn_signinpolicy policy ON policy.tenant_id = tenant.id
    WHERE person.id = %s AND person.is_active
        AND person.password_changed_at IS NOT DISTINCT FROM %s AND tenant.id = %s
    FOR NO KEY UPDATE OF person FOR NO KEY UPDATE OF member FOR KEY SHARE OF tenant
"""


def _hold_membership(user: "User", tenant_id: UUID) -> _Place:
    """Raises InvalidCredentialsError, NoMembershipError, AccountRestrictedError."""
    with connection.cursor() as cursor:
        cursor.execute(_MEMBERSHIP, [user.id, user.password_changed_at, tenant_id])
        row = cursor.fetchone()
    if row is None:
        _require_same_password(user)
        raise NoMembershipError
    membership_id, role, is_active, custom, *declared = row
    if not is_active:
        raise AccountRestrictedError
    return _Place(
        roles=(role,),
        membership_id=membership_id,
        custom_permissions=frozenset(map(Permission, custom or ())),
        lifetimes=effective(Declared(*declared)),
    )


def _hold_public_host(user: "User") -> _Place:
    """Raises InvalidCredentialsError, NoMembershipError."""
    _require_same_password(user)
    roles = people.list_installation_roles(user=user)
    if not roles:
        raise NoMembershipError
    return _Place(roles=roles, lifetimes=installed_lifetimes())


def _require_same_password(user: "User") -> None:
    """As the one that was proven; locked. Raises InvalidCredentialsError."""
    if not people.has_password_of(user=user):
        raise InvalidCredentialsError
