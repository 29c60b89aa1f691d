"""Staying signed in: one refresh token for the next. In the operator's context."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from shared_apps.authn import rechecking, selectors, tokens
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.errors import InvalidTokenError
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.services.ending import end
from shared_apps.authn.services.issuing import TokenPair, attributed_to, renew
from shared_apps.authn.services.signing_in import reason_withheld
from shared_apps.core import context

# A client that lost the answer, or asks twice at once, is no thief.
REPLAY_LEEWAY = timedelta(seconds=10)


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
    with context.operator(), attributed_to(claims.user_id):
        with transaction.atomic():
            pair = None
            if _use_up(token=token, claims=claims, at=at):
                session = Session.objects.get(id=claims.session_id)
                pair = renew(session=session, at=at)
        if pair is None:
            # After the transaction: the error must not take the revocation back.
            _judge_replay(claims=claims, at=at)
            raise InvalidTokenError
    return pair


# One statement decides who was first; the ORM's update cannot return the row.
_USE_UP = """
    UPDATE authn_refreshtoken SET used_at = %s
    WHERE jti = %s AND session_id = %s AND hash = %s AND used_at IS NULL
    RETURNING jti
"""


def _use_up(*, token: str, claims: tokens.Claims, at: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_USE_UP, [at, claims.jti, claims.session_id, tokens.fingerprint(token)])
        return cursor.fetchone() is not None


def _judge_replay(*, claims: tokens.Claims, at: datetime) -> None:
    used = RefreshToken.objects.filter(jti=claims.jti, used_at__gte=at - REPLAY_LEEWAY)
    if not used.exists():
        session = Session.objects.filter(id=claims.session_id)
        end(session, why=SessionEnd.REFRESH_REPLAYED, at=at)
