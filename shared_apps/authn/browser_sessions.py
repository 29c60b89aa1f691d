"""Sign-ins of browsers: a cookie in the place of tokens, for pages that should hold none.

The cookie is a secret that names a session as a token does, and nothing more: `get_sign_in` judges
both. What is stored of it is a hash. It ends when it has not been used for a while, and with
MAX_LOGIN_LIFETIME at the latest.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from shared_apps.authn import selectors
from shared_apps.authn.choices import SessionEnd
from shared_apps.authn.errors import InvalidTokenError, LoginExpiredError
from shared_apps.authn.models import BrowserCookie, RefreshToken, Session
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.tokens import Claims, login_ends_at
from shared_apps.core import context

_LENGTH = 43  # 256 bits in base64
# That a session is in use is written down so often at most.
_USE_NOTED_EVERY = timedelta(minutes=1)


def begin(*, sign_in: SignIn, former_cookie: str, at: datetime) -> str:
    """The cookie of a session that was just opened; it has no tokens from here on.

    The one that the browser showed before is good for nothing afterwards, whoever gave it to it.
    """
    end(cookie=former_cookie, tenant_id=sign_in.tenant_id, at=at)
    cookie = secrets.token_urlsafe(32)
    with context.operator(), transaction.atomic():
        RefreshToken.objects.filter(session=sign_in.session_id).delete()
        BrowserCookie.objects.create(hash=_fingerprint(cookie), session_id=sign_in.session_id)
        _note_use(sign_in.session_id, auth_time=at, at=at)
    return cookie


def find_sign_in(*, cookie: str, tenant_id: UUID | None, at: datetime) -> SignIn | None:
    """Who shows this cookie at this host; None for one that is not good here or any more.

    Raises:
        TenantSuspendedError, TenantNotReadyError, TenantGoneError, NoMembershipError: as for a token.
    """
    session = _find(cookie, tenant_id)
    if session is None or session.expires_at <= at:
        return None
    claims = Claims(
        session_id=session.id, user_id=session.user_id, tenant_id=tenant_id, jti=session.id,
        issued_at=session.last_used_at, expires_at=session.expires_at, is_access=False,
    )  # fmt: skip
    try:
        sign_in = selectors.get_sign_in(claims=claims, at=at)
    except (InvalidTokenError, LoginExpiredError):
        return None
    if at - session.last_used_at >= _USE_NOTED_EVERY:
        with context.operator():
            _note_use(session.id, auth_time=session.auth_time, at=at)
    return sign_in


def end(*, cookie: str, tenant_id: UUID | None, at: datetime) -> None:
    """Sign out; a cookie that is good for nothing is passed over."""
    session = _find(cookie, tenant_id)
    if session is not None:
        with context.operator():
            live = Session.objects.filter(id=session.id, revoked_at=None)
            live.update(revoked_at=at, revoked_reason=SessionEnd.SIGNED_OUT)


def _find(cookie: str, tenant_id: UUID | None) -> Session | None:
    if len(cookie) != _LENGTH or not cookie.isascii():
        return None
    with context.operator():
        sessions = selectors.sessions_at(tenant_id)
        return sessions.filter(browser_cookie__hash=_fingerprint(cookie)).first()


def _note_use(session_id: UUID, *, auth_time: datetime, at: datetime) -> None:
    idle_at: datetime = at + settings.BROWSER_IDLE_LIFETIME
    Session.objects.filter(id=session_id, revoked_at=None).update(
        last_used_at=at, expires_at=min(idle_at, login_ends_at(auth_time))
    )


def _fingerprint(cookie: str) -> str:
    """It holds 256 random bits, so it needs no salt."""
    return hashlib.sha256(cookie.encode()).hexdigest()
