"""Tokens as an attacker would make them, with more or less knowledge of the keys."""

import json
from typing import Any

import jwt
from django.conf import settings

ABSENT = object()


def claims_in(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def signed(token: str, *, header: dict[str, Any] | None = None, **changes: Any) -> str:
    """The claims of a good token with changes, signed with our own key."""
    claims = {k: v for k, v in {**claims_in(token), **changes}.items() if v is not ABSENT}
    kid, key = next(iter(settings.JWT_SIGNING_KEYS.items()))
    # The lower layer of PyJWT: the upper one refuses claims of odd types.
    return jwt.PyJWS().encode(
        json.dumps(claims).encode(), key, algorithm="HS256", headers={"kid": kid, **(header or {})}
    )
