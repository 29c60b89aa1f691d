"""What a provider's id_token says, once everything about it has been found right."""

import hmac
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import jwt

from shared_apps.authn.errors import InvalidCredentialsError
from shared_apps.authn.oidc.provider import Provider

logger = logging.getLogger(__name__)

_ALGORITHM = "RS256"
_LEEWAY = timedelta(seconds=60)
_LONGEST = 64 * 1024
_SIGNATURE_ONLY: Any = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}

Claims = Mapping[str, Any]


def read(
    raw: object, *, provider: Provider, client_id: str, nonce: str | None, at: datetime
) -> Claims:
    """The claims of a token that this provider gave this client, for this attempt, now.

    Raises:
        InvalidCredentialsError: anything is wrong; only the log says what.
        BackendUnavailableError: the provider's keys cannot be had.
    """
    try:
        claims = _verified(raw, provider)
        _require(claims, iss=provider.issuer, aud=client_id)
        if claims.get("azp", client_id) != client_id:
            raise _RefusedError("azp")
        _require_nonce(claims, nonce)
        _require_times(claims, at=at)
    except _RefusedError as refused:
        # Which claim, and nothing of what was sent.
        logger.warning("An id_token of %s is refused: %s", provider.issuer, refused)
        raise InvalidCredentialsError from None
    return claims


class _RefusedError(Exception):
    """Why, for the log."""


def _verified(raw: object, provider: Provider) -> Claims:
    """The algorithm is ours to choose; the header names one of the published keys and nothing else."""
    if not isinstance(raw, str) or not raw.isascii() or len(raw) > _LONGEST:
        raise _RefusedError("not a token")
    try:
        header = jwt.get_unverified_header(raw)
        if header.get("alg") != _ALGORITHM or not isinstance(header.get("kid"), str):
            raise _RefusedError("algorithm or key id")
        key = provider.find_key(header["kid"])
        if key is None:
            raise _RefusedError("unknown key")
        return jwt.decode(raw, key, algorithms=[_ALGORITHM], options=_SIGNATURE_ONLY)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise _RefusedError(f"signature ({type(error).__name__})") from None


def _require(claims: Claims, **expected: str) -> None:
    for name, value in expected.items():
        # A list of audiences is one audience too many.
        if claims.get(name) != value:
            raise _RefusedError(name)


def _require_nonce(claims: Claims, nonce: str | None) -> None:
    """None for a grant that has no browser in it."""
    if nonce is None:
        return
    given = claims.get("nonce")
    if not isinstance(given, str) or not hmac.compare_digest(given.encode(), nonce.encode()):
        raise _RefusedError("nonce")


def _require_times(claims: Claims, *, at: datetime) -> None:
    now, leeway = at.timestamp(), _LEEWAY.total_seconds()
    if now >= _time(claims, "exp") + leeway:
        raise _RefusedError("exp")
    if _time(claims, "iat") > now + leeway:
        raise _RefusedError("iat")
    if "nbf" in claims and _time(claims, "nbf") > now + leeway:
        raise _RefusedError("nbf")


def _time(claims: Claims, name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _RefusedError(name)
    return value
