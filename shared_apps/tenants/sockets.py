"""From the host name to the context of a socket, for its whole life."""

import io
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http.request import split_domain_port

from shared_apps.core import attribution, context, proxies
from shared_apps.core.errors import AppError
from shared_apps.tenants import names
from shared_apps.tenants.errors import DomainNameError
from shared_apps.tenants.middleware import scope_of

logger = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class TenantSocketMiddleware:
    """Runs each socket in the context of the tenant that its host belongs to, or refuses it.

    The same function as for requests decides, on the same headers. A refused socket is not accepted,
    so the browser sees a failed connection (HTTP 403) and no reason.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = await database_sync_to_async(_address_of)(scope)
        if found is None:
            await refuse(scope, receive, send)
            return
        tenant, host = found
        caller = attribution.Attribution(request_id=uuid.uuid4().hex, ip=_client_address(scope))
        with context.tenant(tenant), attribution.acting(caller):
            await self.application({**scope, "tenant_host": host}, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Close a socket that was not accepted: HTTP 403."""
    await receive()
    await send({"type": "websocket.close"})


def _address_of(scope: Scope) -> tuple[context.TenantIdentity, str] | None:
    """The tenant whose sockets may be opened with these headers, and the canonical host that led to it."""
    try:
        request = ASGIRequest({**scope, "type": "http", "method": "GET"}, io.BytesIO())
        if not _is_from_own_page(request):
            return None
        found = scope_of(request)
    except (AppError, DisallowedHost, UnicodeDecodeError):
        return None
    except DatabaseError:
        logger.warning("A socket was refused: the database is not available", exc_info=True)
        return None
    # The public host has no sockets.
    if not isinstance(found, context.TenantIdentity):
        return None
    return found, _address(request.get_host())[0]


def _client_address(scope: Scope) -> str | None:
    client = scope.get("client")
    forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return proxies.client_address(
        peer=client[0] if client else None, forwarded_for=b",".join(forwarded).decode("latin1")
    )


def _is_from_own_page(request: ASGIRequest) -> bool:
    """Programs send no Origin; browsers always do, and no page of another host may connect."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https"):
        return False
    return _address(parts.netloc) == _address(request.get_host())


def _address(host: str) -> tuple[str, str]:
    """Canonical name and port; ("", "") for what is none, which nothing equals that has come here."""
    name, port = split_domain_port(host)
    try:
        return names.canonical_host(name), port
    except DomainNameError:
        return "", ""
