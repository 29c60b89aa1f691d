"""Tokens that are good for one tenant, one session and one purpose.

simplejwt's classes with a key ring and checks of our own: theirs neither require nor compare the
issuer and the audience, read the clock themselves, and accept any header.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Self, cast
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from jwt.algorithms import HMACAlgorithm
from rest_framework_simplejwt import tokens as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from shared_apps.authn.errors import InvalidTokenError, LoginExpiredError
from shared_apps.authn.models import Session

PUBLIC_AUDIENCE = "public"
_ALGORITHM = "HS256"
_HEADER = frozenset({"alg", "kid", "typ"})
_LONGEST = 4096
# How far ahead the clock of the server that issued a token may be.
_CLOCK_SKEW = 5  # seconds
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
            key = _keys().get(_key_id(token.partition(".")[0]))
            if key is None:
                raise TokenBackendError("not a key of ours")
            claims = json.loads(_SIGNATURES.decode(token, key, algorithms=[_ALGORITHM]))
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise TokenBackendError("not signed by us") from error
        if not isinstance(claims, dict):
            raise TokenBackendError("no claims")
        return claims


class _LookedAtOnce(HMACAlgorithm):
    """PyJWT looks at each use whether a key is another algorithm's public one by mistake."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return _prepared(key)


@lru_cache(maxsize=16)
def _prepared(key: str | bytes) -> bytes:
    return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(key)


# The layer of signatures, which knows this algorithm and no other. The layer above would also judge the
# claims, by a clock of its own.
_SIGNATURES = jwt.PyJWS(algorithms=[])
_SIGNATURES.register_algorithm(_ALGORITHM, _LookedAtOnce(HMACAlgorithm.SHA256))


# The same octets begin all tokens of a key. What they say is the same whoever sent them; whether there
# is a key of this name is asked each time.
@lru_cache(maxsize=64)
def _key_id(first_part: str) -> str:
    """Raises PyJWTError, TokenBackendError: it is no header of ours."""
    header = jwt.get_unverified_header(f"{first_part}..")
    key_id = header.get("kid")
    if not isinstance(key_id, str) or not header.keys() <= _HEADER:
        raise TokenBackendError("not a header of ours")
    return key_id


def _keys() -> Mapping[str, str]:
    return cast(Mapping[str, str], settings.JWT_SIGNING_KEYS)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that was found valid says."""

    session_id: UUID
    user_id: UUID
    tenant_id: UUID | None
    jti: UUID
    issued_at: datetime
    expires_at: datetime
    is_access: bool


@dataclass(frozen=True, slots=True)
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
            claims = cls._token_backend.decode(raw)
            return cls._checked(claims, tenant_id=tenant_id, at=at)
        except (TokenBackendError, KeyError, ValueError) as error:
            raise InvalidTokenError from error

    @property
    def expires_at(self) -> datetime:
        return _moment(_seconds(self.payload, "exp"))

    @property
    def jti(self) -> UUID:
        return _uuid(self.payload, "jti")

    @classmethod
    def _checked(cls, told: Mapping[str, Any], *, tenant_id: UUID | None, at: datetime) -> Claims:
        audience, now = audience_of(tenant_id), at.timestamp()
        if (told["typ"], told["iss"], told["aud"], told["tid"]) != (
            cls.token_type, settings.JWT_ISSUER, audience, audience
        ):  # fmt: skip
            raise InvalidTokenError
        issued_at, expires_at = _seconds(told, "iat"), _seconds(told, "exp")
        auth_time = _seconds(told, "auth_time")
        if max(issued_at, _seconds(told, "nbf")) > now + _CLOCK_SKEW:
            raise InvalidTokenError
        if now >= auth_time + settings.MAX_LOGIN_LIFETIME.total_seconds():
            raise LoginExpiredError
        if now >= expires_at:
            raise InvalidTokenError
        return Claims(
            session_id=_uuid(told, "sid"),
            user_id=_uuid(told, "sub"),
            tenant_id=tenant_id,
            jti=_uuid(told, "jti"),
            issued_at=_moment(issued_at),
            expires_at=_moment(expires_at),
            is_access=cls.token_type == AccessToken.token_type,
        )


def _seconds(told: Mapping[str, Any], claim: str) -> int:
    value = told[claim]
    if type(value) is not int or not 0 <= value < _END_OF_TIME:  # a bool is an int and no time
        raise InvalidTokenError
    return value


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _uuid(told: Mapping[str, Any], claim: str) -> UUID:
    value = told[claim]
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
