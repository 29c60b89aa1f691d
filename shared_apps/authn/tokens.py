"""Tokens that are good for one tenant, one session and one purpose.

simplejwt's classes with a key ring and checks of our own: theirs neither require nor compare the
issuer and the audience, read the clock themselves, and accept any header.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self, cast
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from jwt.utils import base64url_encode
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError

from shared_apps.authn.errors import InvalidTokenError, LoginExpiredError
from shared_apps.authn.models import Session

PUBLIC_AUDIENCE = "public"
_ALGORITHM = "HS256"
_HEADER = frozenset({"alg", "kid", "typ"})
_LONGEST = 4096
# How far ahead the clock of the server that issued a token may be.
_CLOCK_SKEW = timedelta(seconds=5)
_END_OF_TIME = 2**32  # seconds since 1970, in the year 2106


class KeyRing(TokenBackend):
    """Signs with the first of settings.JWT_SIGNING_KEYS, verifies with the one that `kid` names.

    The header chooses among those keys and nothing else: not the algorithm, not an address to fetch
    a key from.
    """

    def __init__(self) -> None:
        super().__init__(_ALGORITHM)

    def encode(self, payload: dict[str, Any]) -> str:
        key_id, key = next(iter(_keys().items()))
        return jwt.encode(payload, key, algorithm=_ALGORITHM, headers={"kid": key_id})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        """Verifies whatever `verify` says; the claims are checked by the token class."""
        if not isinstance(token, str) or not token.isascii() or len(token) > _LONGEST:
            raise TokenBackendError("not a token")
        try:
            # Of the first part alone: what follows is looked at once, with the signature.
            header = jwt.get_unverified_header(f"{token.partition('.')[0]}..")
            key = _keys().get(header.get("kid", ""))
            if key is None or not header.keys() <= _HEADER:
                raise TokenBackendError("not a header of ours")
            return jwt.decode(token, _ready(key), algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenBackendError("not signed by us") from error


_SIGNATURE_ONLY: Any = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}


# PyJWT looks each time whether a text is not a key of another algorithm's by mistake.
@lru_cache(maxsize=16)
def _ready(key: str) -> jwt.PyJWK:
    octets = base64url_encode(key.encode()).decode()
    return jwt.PyJWK({"kty": "oct", "k": octets}, algorithm=_ALGORITHM)


def _keys() -> Mapping[str, str]:
    return cast(Mapping[str, str], settings.JWT_SIGNING_KEYS)


@dataclass(frozen=True)
class Claims:
    """What a token that was found valid says."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    jti: UUID
    issued_at: datetime
    expires_at: datetime
    is_access: bool


@dataclass(frozen=True)
class Lifetimes:
    """The longest that what a sign-in consists of is good for."""

    access: timedelta
    refresh: timedelta
    login: timedelta
    """From the sign-in on, whatever was refreshed since."""


def installed_lifetimes() -> Lifetimes:
    """By the settings of the moment; a tenant may have shorter ones (`selectors.get_lifetimes`)."""
    return Lifetimes(
        access=settings.ACCESS_TOKEN_LIFETIME,
        refresh=settings.REFRESH_TOKEN_LIFETIME,
        login=settings.MAX_LOGIN_LIFETIME,
    )


def audience_of(tenant_id: UUID | None) -> str:
    return PUBLIC_AUDIENCE if tenant_id is None else str(tenant_id)


def login_ends_at(auth_time: datetime) -> datetime:
    """No token of a session outlives this, by the setting of the moment."""
    longest: timedelta = settings.MAX_LOGIN_LIFETIME
    return auth_time + longest


class _SessionToken(simplejwt.Token, ABC):
    """A token of a session: audience, issuer, session and sign-in time, and no role."""

    _token_backend = KeyRing()

    @classmethod
    def issue(cls, *, session: Session, at: datetime, lifetimes: Lifetimes | None = None) -> Self:
        """Good for as long as these say, or the installation, and no longer than the sign-in."""
        token = cls()
        audience = audience_of(session.tenant_id)
        longest = lifetimes or installed_lifetimes()
        expires_at = min(at + cls._lifetime_of(longest), session.auth_time + longest.login)
        token.payload = {
            "typ": cls.token_type,
            "iss": settings.JWT_ISSUER,
            "aud": audience,
            "tid": audience,
            "sub": str(session.user_id),
            "sid": str(session.id),
            "jti": str(uuid4()),
            "auth_time": int(session.auth_time.timestamp()),
            "iat": int(at.timestamp()),
            "nbf": int(at.timestamp()),
            "exp": int(expires_at.timestamp()),
        }
        return token

    @classmethod
    @abstractmethod
    def _lifetime_of(cls, lifetimes: Lifetimes) -> timedelta: ...

    @classmethod
    def read(cls, raw: str, *, tenant_id: UUID | None, at: datetime) -> Claims:
        """The claims of a token that is good here and now, as far as it can tell itself.

        Raises:
            LoginExpiredError: the sign-in that it stems from is too old.
            InvalidTokenError: anything else is wrong.
        """
        try:
            return cls(cast(Any, raw), verify=False)._checked(tenant_id=tenant_id, at=at)
        except (TokenError, KeyError, ValueError) as error:
            raise InvalidTokenError from error

    @property
    def expires_at(self) -> datetime:
        return self._time("exp")

    @property
    def jti(self) -> UUID:
        return self._uuid("jti")

    def _checked(self, *, tenant_id: UUID | None, at: datetime) -> Claims:
        audience = audience_of(tenant_id)
        expected = {
            "typ": self.token_type, "iss": settings.JWT_ISSUER, "aud": audience, "tid": audience
        }  # fmt: skip
        if any(self.payload[claim] != value for claim, value in expected.items()):
            raise InvalidTokenError
        expires_at, auth_time = self._time("exp"), self._time("auth_time")
        if max(self._time("iat"), self._time("nbf")) > at + _CLOCK_SKEW:
            raise InvalidTokenError
        if at >= login_ends_at(auth_time):
            raise LoginExpiredError
        if at >= expires_at:
            raise InvalidTokenError
        return Claims(
            session_id=self._uuid("sid"),
            user_id=self._uuid("sub"),
            tenant_id=tenant_id,
            jti=self.jti,
            issued_at=self._time("iat"),
            expires_at=expires_at,
            is_access=self.token_type == AccessToken.token_type,
        )

    def _time(self, claim: str) -> datetime:
        value = self.payload[claim]
        if type(value) is not int or not 0 <= value < _END_OF_TIME:  # a bool is an int and no time
            raise InvalidTokenError
        return datetime.fromtimestamp(value, tz=UTC)

    def _uuid(self, claim: str) -> UUID:
        value = self.payload[claim]
        if not isinstance(value, str):
            raise InvalidTokenError
        return UUID(value)


class AccessToken(_SessionToken, simplejwt.AccessToken):
    """Shown with every request."""

    @classmethod
    def _lifetime_of(cls, lifetimes: Lifetimes) -> timedelta:
        return lifetimes.access


class RefreshToken(_SessionToken, simplejwt.RefreshToken):  # type: ignore[misc]  # theirs disagree on for_user
    """Exchanged once for the next pair."""

    @classmethod
    def _lifetime_of(cls, lifetimes: Lifetimes) -> timedelta:
        return lifetimes.refresh


def fingerprint(raw: str) -> str:
    """What is stored of a refresh token. It holds 256 bits of signature, so it needs no salt."""
    return hashlib.sha256(raw.encode()).hexdigest()
