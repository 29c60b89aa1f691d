"""Reads of sessions. All run in the operator's context, whoever asks."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import OuterRef, QuerySet

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission, permissions_of
from shared_apps.authn.errors import (
    InvalidTokenError,
    LoginExpiredError,
    NoMembershipError,
    SessionNotFoundError,
)
from shared_apps.authn.models import Session
from shared_apps.authn.tokens import Claims, login_ends_at
from shared_apps.core import context
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import TenantState

if TYPE_CHECKING:
    from shared_apps.accounts.models import User


@dataclass(frozen=True)
class SignIn:
    """Who a request comes from and what they may do at this moment; `request.auth` of a view."""

    session_id: UUID
    user: "User"
    tenant_id: UUID | None
    roles: tuple[str, ...]

    @property
    def role(self) -> str:
        return self.roles[0]

    @property
    def permissions(self) -> frozenset[Permission]:
        return permissions_of(self.roles)


def get_sign_in(*, claims: Claims, at: datetime) -> SignIn:
    """What the claims of a valid token stand for now: one query.

    Raises:
        InvalidTokenError: the session has ended or is not what the token says; or the person is
            disabled or gone.
        LoginExpiredError: the setting was lowered since the token was issued.
        TenantSuspendedError, TenantNotReadyError, TenantGoneError: the tenant is not served.
        NoMembershipError: the role was taken away.
    """
    session = _find_session(claims)
    if session is None or session.revoked_at is not None or not session.user.is_active:
        raise InvalidTokenError
    if at >= login_ends_at(session.auth_time):
        raise LoginExpiredError
    return SignIn(
        session_id=session.id,
        user=session.user,
        tenant_id=session.tenant_id,
        roles=_roles_in(session),
    )


def _find_session(claims: Claims) -> Session | None:
    sessions = sessions_at(claims.tenant_id).filter(id=claims.session_id, user=claims.user_id)
    if claims.tenant_id is None:
        sessions = sessions.select_related("user").annotate(
            cross_tenant_roles=people.cross_tenant_roles_of(OuterRef("user_id"))
        )
    else:
        sessions = sessions.select_related("user", "tenant", "membership")
    with context.operator():
        return next(iter(sessions), None)


def _roles_in(session: Session) -> tuple[str, ...]:
    """Raises what refuses a person who has signed in, now."""
    roles: tuple[str, ...]
    if session.tenant is None:
        roles = people.installation_roles(
            is_operator=session.user.is_operator,
            cross_tenant_roles=session.cross_tenant_roles,  # type: ignore[attr-defined]  # annotated
        )
    else:
        state, reason = TenantState(session.tenant.state), session.tenant.state_reason
        tenants.require_served(state=state, reason=reason)
        roles = (session.membership.role,) if session.membership else ()
    if not roles:
        raise NoMembershipError
    return roles


def list_live_sessions(*, user_id: UUID, tenant_id: UUID | None, at: datetime) -> QuerySet[Session]:
    """A person's own at one host, newest first. Lazy: evaluate it in the operator's context."""
    own = sessions_at(tenant_id).filter(user_id=user_id, revoked_at=None, expires_at__gt=at)
    if tenant_id is not None:
        own = own.exclude(membership=None)
    return own.order_by("-auth_time", "id")


def sessions_at(tenant_id: UUID | None) -> QuerySet[Session]:
    """Those of one tenant's host, or of the public host. Lazy."""
    if tenant_id is None:
        return Session.objects.filter(tenant=None)
    return Session.objects.filter(tenant=tenant_id)


def require_own_session(
    *, session_id: UUID, user_id: UUID, tenant_id: UUID | None, at: datetime
) -> None:
    """Raises SessionNotFoundError: somebody else's, ended, or none."""
    with context.operator():
        own = list_live_sessions(user_id=user_id, tenant_id=tenant_id, at=at)
        if not own.filter(id=session_id).exists():
            raise SessionNotFoundError
