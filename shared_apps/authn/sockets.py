"""Who opens a socket."""

from dataclasses import dataclass
from datetime import datetime

from channels.db import database_sync_to_async
from django.utils import timezone

from shared_apps.authn import selectors
from shared_apps.authn.tokens import AccessToken, Claims
from shared_apps.core import attribution, context
from shared_apps.core.errors import AppError
from shared_apps.core.rate_limits import admission
from shared_apps.core.rate_limits.errors import RateLimitedError
from shared_apps.core.rate_limits.rates import RateClass
from shared_apps.tenants.sockets import Application, Receive, Scope, Send, refuse

PROTOCOL = "freehold.v1"
_TOKEN_PROTOCOL = "bearer."  # noqa: S105 (the beginning of a name)


@dataclass(frozen=True)
class SocketSignIn:
    sign_in: selectors.SignIn
    ends_at: datetime
    """When the access token does; the client comes back with the next one."""


class SocketSignInMiddleware:
    """Puts `scope["sign_in"]`: a SocketSignIn, or None for somebody who has not proven who they are.

    The access token comes in the Authorization header, or from browsers, which cannot set one, as the
    second of two subprotocols: `freehold.v1, bearer.<token>`. Never in the address, which gets logged.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            found = await database_sync_to_async(_find_sign_in)(_token_of(scope))
        except RateLimitedError:
            await refuse(scope, receive, send)
            return
        if found is not None:
            found.sign_in.attribute()
        await self.application({**scope, "sign_in": found}, receive, send)


def _token_of(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, raw = value.decode("latin-1").strip().partition(" ")
            return raw if scheme.lower() == "bearer" else None
    for protocol in scope.get("subprotocols", []):
        if protocol.startswith(_TOKEN_PROTOCOL):
            return str(protocol.removeprefix(_TOKEN_PROTOCOL))
    return None


def _find_sign_in(raw: str | None) -> SocketSignIn | None:
    """Raises RateLimitedError: to open a socket is a request like others."""
    at = timezone.now()
    claims = _claims_of(raw, at=at)
    rules = (
        admission.rules_of_person(claims.user_id, rate_class=RateClass.READ)
        if claims is not None
        else admission.rules_of_address(attribution.current().ip, rate_class=RateClass.READ)
    )
    admission.admit(rules, rate_class=RateClass.READ)
    if claims is None:
        return None
    try:
        sign_in = selectors.get_sign_in(claims=claims, at=at)
    except AppError:
        return None
    return SocketSignIn(sign_in=sign_in, ends_at=claims.expires_at)


def _claims_of(raw: str | None, *, at: datetime) -> Claims | None:
    if raw is None:
        return None
    try:
        return AccessToken.read(raw, tenant_id=context.require_tenant().id, at=at)
    except AppError:
        return None
