"""Signing in and out, and what happens to sessions in between. All in the operator's context."""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from shared_apps.accounts import selectors as people
from shared_apps.authn import backends, limits, metrics, rechecking, selectors, tickets, tokens
from shared_apps.authn.backends import Way
from shared_apps.authn.backends.base import AuthBackend, PasswordInfo
from shared_apps.authn.choices import BREAK_GLASS, SessionEnd
from shared_apps.authn.errors import (
    AccountRestrictedError,
    BackendUnavailableError,
    InvalidCredentialsError,
    InvalidTokenError,
    NoMembershipError,
)
from shared_apps.authn.lifetimes import get_lifetimes
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.selectors import SignIn
from shared_apps.core import attribution, context

if TYPE_CHECKING:
    from shared_apps.accounts.models import User

logger = logging.getLogger(__name__)

# A client that lost the answer, or asks twice at once, is no thief.
REPLAY_LEEWAY = timedelta(seconds=10)
_BATCH = 1000


@dataclass(frozen=True)
class Client:
    """What a sign-in came from; shown to its owner, never believed."""

    ip: str | None
    user_agent: str


@dataclass(frozen=True)
class TokenPair:
    access: str
    refresh: str
    expires_in: int
    """Seconds for which the access token is good."""


def sign_in(
    *, tenant_id: UUID | None, username: str, password: str, client: Client, at: datetime
) -> tuple[SignIn, TokenPair]:
    """Open a session at a tenant, or at the public host without one.

    Raises:
        InvalidCredentialsError: not proven; the same for whatever reason.
        NoMembershipError: proven, but there is no role here.
        PasswordDueError: proven, and a new password comes first; with a ticket for its change.
        AccountRestrictedError, InteractionRequiredError: proven, and the directory does not let them in.
        AccountRestrictedError: proven, but an administrator of the tenant has disabled the person.
        TooManyAttemptsError: the password was not looked at.
        UnavailableError: the backend cannot tell now.
    """
    with tickets.issued_where_due(tenant_id=tenant_id, at=at), reason_withheld():
        way, backend = backends.way_of(tenant_id=tenant_id, username=username)
        with guessing(backend, tenant_id=tenant_id, account=username, address=client.ip):
            user = backend.authenticate(username=username, password=password)
            if user is None:
                raise InvalidCredentialsError
    return open_session(
        tenant_id=tenant_id, user=user, way=way, username=username, client=client, auth_time=at, at=at
    )  # fmt: skip


def open_session(
    *, tenant_id: UUID | None, user: "User", way: Way, username: str, client: Client,
    auth_time: datetime, at: datetime,
) -> tuple[SignIn, TokenPair]:  # fmt: skip
    """For somebody who was proven at `auth_time`, that way, by this name; empty if they gave none.

    Raises:
        NoMembershipError: there is no role here.
        BackendUnavailableError: it is not the way here any more.
    """
    with context.operator(), _attributed_to(user.id), transaction.atomic():
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
        pair = _issue_pair(session=session, at=at)
    if way.name == BREAK_GLASS:
        logger.warning("Signed in by break-glass: %s", user.id)
    metrics.SIGN_INS.labels(metrics.SIGNED_IN).inc()
    custom = membership.permissions if membership and membership.custom_role else frozenset()
    return SignIn(session.id, user, tenant_id, roles, custom_permissions=custom), pair


def refresh(*, tenant_id: UUID | None, token: str, at: datetime) -> TokenPair:
    """Exchange a refresh token for the next pair. Of concurrent uses exactly one succeeds.

    A token that is used again after `REPLAY_LEEWAY` ends its session: either use may be a thief's.

    Raises:
        InvalidTokenError: it is not good, here or any more.
        LoginExpiredError: MAX_LOGIN_LIFETIME has passed since the person signed in.
        NoMembershipError, and the errors of a tenant that is not served.
        BackendUnavailableError: the directory has not confirmed the person for too long.
    """
    claims = tokens.RefreshToken.read(token, tenant_id=tenant_id, at=at)
    selectors.get_sign_in(claims=claims, at=at)
    with reason_withheld():
        is_rechecked = rechecking.recheck(session_id=claims.session_id, at=at)
    if is_rechecked:
        # What the directory said may have taken the session or the role away.
        selectors.get_sign_in(claims=claims, at=at)
    with context.operator(), _attributed_to(claims.user_id):
        with transaction.atomic():
            pair = None
            if _use_up(token=token, claims=claims, at=at):
                session = Session.objects.get(id=claims.session_id)
                pair = _issue_pair(session=session, at=at)
        if pair is None:
            # After the transaction: the error must not take the revocation back.
            _judge_replay(claims=claims, at=at)
            raise InvalidTokenError
    return pair


def sign_out(*, tenant_id: UUID | None, token: str, at: datetime) -> None:
    """End the session of a refresh token, also one that was exchanged already.

    Raises:
        InvalidTokenError, LoginExpiredError: it is not good, or the session has ended.
    """
    claims = tokens.RefreshToken.read(token, tenant_id=tenant_id, at=at)
    known = Q(refresh_tokens__jti=claims.jti, refresh_tokens__hash=tokens.fingerprint(token))
    with context.operator(), _attributed_to(claims.user_id):
        sessions = selectors.sessions_at(tenant_id).filter(known, id=claims.session_id)
        if not _end(sessions, why=SessionEnd.SIGNED_OUT, at=at):
            raise InvalidTokenError


def end_sessions(*, user_id: UUID, tenant_id: UUID, at: datetime) -> int:
    """End all of a person's sign-ins at one tenant; returns how many there were."""
    with context.operator():
        own = selectors.list_live_sessions(user_id=user_id, tenant_id=tenant_id, at=at)
        return _end(own, why=SessionEnd.TERMINATED, at=at)


def end_session(*, session_id: UUID, user_id: UUID, tenant_id: UUID | None, at: datetime) -> None:
    """Raises SessionNotFoundError: no live sign-in of this person at this host."""
    selectors.require_own_session(
        session_id=session_id, user_id=user_id, tenant_id=tenant_id, at=at
    )
    with context.operator():
        _end(Session.objects.filter(id=session_id), why=SessionEnd.TERMINATED, at=at)


def end_all_sessions(*, user_id: UUID, keep: UUID | None, at: datetime) -> None:
    """Everywhere, because the password that opened them is no longer theirs. In the caller's transaction."""
    with context.operator():
        sessions = Session.objects.filter(user=user_id)
        _end(
            sessions.exclude(id=keep) if keep else sessions, why=SessionEnd.PASSWORD_CHANGED, at=at
        )


def get_password_info(*, sign_in: SignIn, at: datetime) -> PasswordInfo:
    """Raises UnavailableError: the backend cannot tell now."""
    with reason_withheld():
        backend = backends.backend_of_session(sign_in.session_id, tenant_id=sign_in.tenant_id)
        return backend.get_password_info(user=sign_in.user, at=at)


def forget_sessions(*, tenant_id: UUID) -> None:
    """Delete all sign-ins at a tenant; their tokens are good for nothing, also if it comes back."""
    with context.operator():
        sessions = Session.objects.filter(tenant_id=tenant_id)
        while batch := list(sessions.values_list("id", flat=True)[:_BATCH]):
            Session.objects.filter(id__in=batch).delete()


def delete_expired_sessions(*, at: datetime) -> int:
    """Delete what ended longer ago than a refresh token lives; return how many sessions.

    Until then it shows a replay for what it is. In small transactions: it can be stopped and
    repeated at any time.
    """
    before = at - settings.REFRESH_TOKEN_LIFETIME
    deleted = 0
    with context.operator():
        ended = Session.objects.alias(ended_at=Coalesce("revoked_at", "expires_at")).filter(
            ended_at__lt=before
        )
        while batch := list(ended.values_list("id", flat=True)[:_BATCH]):
            deleted += Session.objects.filter(id__in=batch).delete()[1].get("authn.Session", 0)
        expired = RefreshToken.objects.filter(expires_at__lt=before)
        while used := list(expired.values_list("jti", flat=True)[:_BATCH]):
            RefreshToken.objects.filter(jti__in=used).delete()
    return deleted


@contextmanager
def reason_withheld() -> Iterator[None]:
    """What is wrong with a directory is for the log and for operators."""
    try:
        yield
    except BackendUnavailableError as error:
        logger.error("A tenant's backend cannot tell: %s", error.text)
        raise BackendUnavailableError from None


@contextmanager
def _attributed_to(user_id: UUID) -> Iterator[None]:
    with attribution.acting(replace(attribution.current(), user_id=user_id)):
        yield


def guessing(
    backend: AuthBackend, *, tenant_id: UUID | None, account: str, address: str | None
) -> AbstractContextManager[None]:
    return limits.attempt(
        tenant_id=tenant_id, account=account, address=address, is_directory=backend.is_directory
    )


def _issue_pair(*, session: Session, at: datetime) -> TokenPair:
    """Tokens of a session, and the row that makes the refresh token good for one use."""
    longest = get_lifetimes(tenant_id=session.tenant_id)
    refresh_token = tokens.RefreshToken.issue(session=session, at=at, lifetimes=longest)
    access_token = tokens.AccessToken.issue(session=session, at=at, lifetimes=longest)
    encoded = str(refresh_token)
    RefreshToken.objects.create(
        jti=refresh_token.jti, session=session, hash=tokens.fingerprint(encoded),
        issued_at=at, expires_at=refresh_token.expires_at,
    )  # fmt: skip
    session.last_used_at, session.expires_at = at, refresh_token.expires_at
    session.save(update_fields=["last_used_at", "expires_at"])
    return TokenPair(
        access=str(access_token),
        refresh=encoded,
        expires_in=int(access_token.expires_at.timestamp()) - int(at.timestamp()),
    )


# One statement decides who was first; the ORM's update cannot return the row.
_USE_UP = """
    UPDATE authn_refreshtoken SET used_at = %s
    WHERE jti = %s AND session_id = %s AND hash = %s AND used_at IS NULL
    RETURNING jti
"""


def _hold_tenant(tenant_id: UUID) -> None:
    """Whoever changes the tenant's backend waits until this transaction ends, or it for them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM tenants_tenant WHERE id = %s FOR KEY SHARE", [tenant_id])


def _use_up(*, token: str, claims: tokens.Claims, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_USE_UP, [at, claims.jti, claims.session_id, tokens.fingerprint(token)])
        return cursor.fetchone() is not None


def _judge_replay(*, claims: tokens.Claims, at: datetime) -> None:
    used = RefreshToken.objects.filter(jti=claims.jti, used_at__gte=at - REPLAY_LEEWAY)
    if not used.exists():
        session = Session.objects.filter(id=claims.session_id)
        _end(session, why=SessionEnd.REFRESH_REPLAYED, at=at)


def _end(sessions: QuerySet[Session], *, why: SessionEnd, at: datetime) -> int:
    return sessions.filter(revoked_at=None).update(revoked_at=at, revoked_reason=why)
