"""Reads of sessions. All run in the operator's context, whoever asks."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import F, QuerySet

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission, permissions_of
from shared_apps.authn import lifetimes
from shared_apps.authn.errors import (
    AccountRestrictedError,
    InvalidTokenError,
    LoginExpiredError,
    NoMembershipError,
    SessionNotFoundError,
)
from shared_apps.authn.impersonation import selectors as impersonations
from shared_apps.authn.impersonation.selectors import Impersonator
from shared_apps.authn.models import Session
from shared_apps.authn.tokens import Claims, Lifetimes
from shared_apps.core import attribution, context
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
    custom_permissions: frozenset[Permission] = frozenset()
    """What a role allows that the tenant's administrators made."""
    impersonator: Impersonator | None = None
    """Who is at work in the person's name, if it is somebody else."""

    @property
    def permissions(self) -> frozenset[Permission]:
        allowed = permissions_of(self.roles) | self.custom_permissions
        if self.impersonator is None:
            return allowed
        return allowed & (_OF_A_WRITER if self.impersonator.may_write else _OF_A_READER)

    def attribute(self) -> None:
        """Put down to them what is written from here on in the enclosing `attribution.acting`."""
        if self.impersonator is None:
            attribution.signed_in(self.user.pk)
        else:
            attribution.signed_in(self.impersonator.id, on_behalf_of=self.user.pk)


# Nobody administers in another's name.
_OF_A_READER = frozenset({Permission.READ})
_OF_A_WRITER = frozenset({Permission.READ, Permission.WRITE, Permission.DELETE})


def get_sign_in(*, claims: Claims, at: datetime) -> SignIn:
    """What the claims of a valid token stand for now: one query, and one more of an impersonation.

    Raises:
        InvalidTokenError: the session has ended or is not what the token says; or the person is
            disabled or gone.
        LoginExpiredError: the sign-in is older than it may be now.
        TenantSuspendedError, TenantNotReadyError, TenantGoneError: the tenant is not served.
        NoMembershipError: the role was taken away.
        AccountRestrictedError: the person is disabled in this tenant.
    """
    row = _find_session(claims)
    if row is None or row.has_ended or not row.user.is_active:
        raise InvalidTokenError
    if at.timestamp() >= row.auth_time + row.lifetimes.login.total_seconds():
        raise LoginExpiredError
    longest = row.lifetimes.access if claims.is_access else row.lifetimes.refresh
    # An impersonation says itself when it ends.
    if at >= claims.issued_at + longest and row.backend != impersonations.BACKEND:
        raise InvalidTokenError
    if row.tenant_state is not None:
        tenants.require_served(state=TenantState(row.tenant_state), reason=row.tenant_reason or "")
    if not row.roles:
        raise NoMembershipError
    if not row.is_enabled:
        raise AccountRestrictedError
    sign_in = SignIn(
        session_id=claims.session_id,
        user=row.user,
        tenant_id=claims.tenant_id,
        roles=row.roles,
        custom_permissions=row.custom_permissions,
    )
    return sign_in if row.backend != impersonations.BACKEND else _impersonated(sign_in, at=at)


def _impersonated(sign_in: SignIn, *, at: datetime) -> SignIn:
    """Raises InvalidTokenError: what it rests on has been taken away, or must not be reached this way."""
    ids = (sign_in.session_id,)
    found = impersonations.find_impersonators(session_ids=ids, at=at).get(sign_in.session_id)
    if found is None or Permission.ADMIN in sign_in.permissions or sign_in.user.is_operator:
        raise InvalidTokenError
    return replace(sign_in, impersonator=found)


def list_live_permissions(
    *, session_ids: Collection[UUID], at: datetime
) -> dict[UUID, frozenset[Permission]]:
    """Of these sign-ins at tenants, those that `get_sign_in` would let in, and what they may.

    One query, and one more for each impersonation.
    """
    live = Session.objects.filter(
        id__in=session_ids, revoked_at=None, user__is_active=True,
        tenant__state=TenantState.ACTIVE, membership__is_active=True,
    ).select_related("user", "membership__custom_role")  # fmt: skip
    live = live.annotate(login_hours=F("tenant__sign_in_policy__max_login_hours"))
    found: dict[UUID, frozenset[Permission]] = {}
    with context.operator():
        for session in live:
            member = session.membership
            assert member is not None  # an active one
            login = lifetimes.effective(
                lifetimes.Declared(max_login_hours=session.login_hours)
            ).login
            if at >= session.auth_time + login:
                continue
            custom = member.permissions if member.custom_role else frozenset()
            sign_in = SignIn(session.id, session.user, session.tenant_id, (member.role,), custom)
            try:
                if session.backend == impersonations.BACKEND:
                    sign_in = _impersonated(sign_in, at=at)
            except InvalidTokenError:
                continue
            found[session.id] = sign_in.permissions
    return found


_NONE: frozenset[Permission] = frozenset()


def _custom(permissions: Collection[str] | None) -> frozenset[Permission]:
    return frozenset(map(Permission, permissions)) if permissions else _NONE


@dataclass(frozen=True, slots=True)
class _SessionRow:
    user: "User"
    auth_time: float
    """In seconds since 1970."""
    has_ended: bool
    backend: str
    tenant_state: str | None
    tenant_reason: str | None
    roles: tuple[str, ...]
    is_enabled: bool
    custom_permissions: frozenset[Permission]
    lifetimes: Lifetimes


# Every request asks one of these two, so they are written out: having the ORM compose and unpack the
# join takes longer than the answer of PostgreSQL. The first is a function of the database, which keeps its
# plan (fleet/functions.py). Nothing is asked that the token says already, and nothing that takes Python
# long to read: a time, a UUID.
_USER_FIELDS = ("id", "email", "name", "is_active", "is_operator")
_AT_TENANT = "SELECT * FROM sign_in_at_tenant(%s, %s, %s)"
_AT_PUBLIC_HOST = """
    SELECT extract(epoch FROM session.auth_time)::float8, session.revoked_at IS NOT NULL, session.backend,
        person.email, person.name, person.is_active, person.is_operator, NULL, NULL, ARRAY(
            SELECT DISTINCT role FROM accounts_crosstenantgrant WHERE user_id = person.id ORDER BY role
        ), TRUE, NULL, NULL, NULL, NULL
    FROM authn_session session
    JOIN accounts_user person ON person.id = session.user_id
    WHERE session.id = %s AND session.user_id = %s AND session.tenant_id IS NULL
"""


def _find_session(claims: Claims) -> _SessionRow | None:
    values = [claims.session_id, claims.user_id]
    with context.operator(), connection.cursor() as cursor:
        if claims.tenant_id is None:
            cursor.execute(_AT_PUBLIC_HOST, values)
        else:
            cursor.execute(_AT_TENANT, [*values, claims.tenant_id])
        row = cursor.fetchone()
    if row is None:
        return None
    auth_time, has_ended, backend, email, name, is_active, is_operator, *others = row
    state, reason, granted, is_enabled, custom, *declared = others
    user = get_user_model().from_db(
        connection.alias,
        _USER_FIELDS,
        (claims.user_id, email, name, is_active, is_operator),
    )
    if claims.tenant_id is None:
        roles = people.installation_roles(is_operator=user.is_operator, cross_tenant_roles=granted)
    else:
        roles = (granted,) if granted else ()
    return _SessionRow(
        user=user, auth_time=auth_time, has_ended=has_ended, backend=backend,
        tenant_state=state, tenant_reason=reason, roles=roles,
        is_enabled=is_enabled, custom_permissions=_custom(custom),
        lifetimes=lifetimes.effective(lifetimes.Declared(*declared)),
    )  # fmt: skip


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
