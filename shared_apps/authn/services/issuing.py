"""The tokens of a session, and whose what is written with them is. In the operator's context."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared_apps.authn import tokens
from shared_apps.authn.lifetimes import get_lifetimes
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.core import attribution


@dataclass(frozen=True)
class TokenPair:
    access: str
    refresh: str
    expires_in: int
    """Seconds for which the access token is good."""


def issue_pair(*, session: Session, at: datetime) -> TokenPair:
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


@contextmanager
def attributed_to(user_id: UUID) -> Iterator[None]:
    with attribution.acting(replace(attribution.current(), user_id=user_id)):
        yield
