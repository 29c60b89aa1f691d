"""A provider as its own discovery document describes it, found at an address that we made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode

import jwt

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.authn.oidc import documents, transport

_WELL_KNOWN = ".well-known/openid-configuration"
_SMALLEST_KEY = 2048


@dataclass(frozen=True)
class Provider:
    """All addresses are at the issuer's own host: nothing that was published leads elsewhere."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    """Whether each answer of the authorization endpoint says who gave it (RFC 9207)."""

    @classmethod
    def discover(cls, issuer: str) -> Self:
        """Raises BackendUnavailableError: it does not answer, or is another one than was asked for."""
        document = documents.get(f"{issuer}/{_WELL_KNOWN}") or {}
        if document.get("issuer") != issuer:
            raise BackendUnavailableError(f"{issuer} calls itself otherwise")
        return cls(
            issuer=issuer,
            authorization_endpoint=_own(document, "authorization_endpoint", issuer),
            token_endpoint=_own(document, "token_endpoint", issuer),
            jwks_uri=_own(document, "jwks_uri", issuer),
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def authorize_url(self, **parameters: str) -> str:
        return f"{self.authorization_endpoint}?{urlencode(parameters)}"

    def find_key(self, key_id: str) -> jwt.PyJWK | None:
        """The RSA key of that name; None when it is not published, as far as is known.

        Raises:
            BackendUnavailableError: the keys cannot be had.
        """
        keys = documents.get(
            self.jwks_uri, is_enough=lambda found: _find(found, key_id) is not None
        )
        found = _find(keys, key_id) if keys else None
        return _as_rsa_key(found) if found else None


def _own(document: Mapping[str, Any], name: str, issuer: str) -> str:
    url = document.get(name)
    if not transport.is_at(url, issuer):
        raise BackendUnavailableError(f"{name} of {issuer} is not at its host")
    return str(url)


def _find(document: Mapping[str, Any], key_id: str) -> Mapping[str, Any] | None:
    keys = document.get("keys")
    for key in keys if isinstance(keys, list) else []:
        if isinstance(key, dict) and key.get("kid") == key_id and key.get("kty") == "RSA":
            return key
    return None


def _as_rsa_key(published: Mapping[str, Any]) -> jwt.PyJWK | None:
    if published.get("use", "sig") != "sig" or "d" in published:
        return None
    try:
        key = jwt.PyJWK(dict(published), algorithm="RS256")
    except jwt.PyJWTError:
        return None
    return key if key.key.key_size >= _SMALLEST_KEY else None
