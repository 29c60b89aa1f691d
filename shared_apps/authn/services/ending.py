"""Signing out, and every other end of a session. In the operator's context."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from shared_apps.authn import selectors, tokens
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.errors import InvalidTokenError
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.services.issuing import attributed_to
from shared_apps.core import context

_BATCH = 1000


def sign_out(*, tenant_id: UUID | None, token: str, at: datetime) -> None:
    """End the session of a refresh token, also one that was exchanged already.

    Raises:
        InvalidTokenError, LoginExpiredError: it is not good, or the session has ended.
    """
    claims = tokens.RefreshToken.read(token, tenant_id=tenant_id, at=at)
    known = Q(refresh_tokens__jti=claims.jti, refresh_tokens__hash=tokens.fingerprint(token))
    with context.operator(), attributed_to(claims.user_id):
        sessions = selectors.sessions_at(tenant_id).filter(known, id=claims.session_id)
        if not end(sessions, why=SessionEnd.SIGNED_OUT, at=at):
            raise InvalidTokenError


def end_sessions(*, user_id: UUID, tenant_id: UUID, at: datetime) -> int:
    """End all of a person's sign-ins at one tenant; returns how many there were."""
    with context.operator():
        own = selectors.list_live_sessions(user_id=user_id, tenant_id=tenant_id, at=at)
        return end(own, why=SessionEnd.TERMINATED, at=at)


def end_session(*, session_id: UUID, user_id: UUID, tenant_id: UUID | None, at: datetime) -> None:
    """Raises SessionNotFoundError: no live sign-in of this person at this host."""
    selectors.require_own_session(
        session_id=session_id, user_id=user_id, tenant_id=tenant_id, at=at
    )
    with context.operator():
        end(Session.objects.filter(id=session_id), why=SessionEnd.TERMINATED, at=at)


def end_all_sessions(*, user_id: UUID, keep: UUID | None, at: datetime) -> None:
    """Everywhere, because the password that opened them is no longer theirs. In the caller's transaction."""
    with context.operator():
        sessions = Session.objects.filter(user=user_id)
        end(sessions.exclude(id=keep) if keep else sessions, why=SessionEnd.PASSWORD_CHANGED, at=at)


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


def end(sessions: QuerySet[Session], *, why: SessionEnd, at: datetime) -> int:
    return sessions.filter(revoked_at=None).update(revoked_at=at, revoked_reason=why)
