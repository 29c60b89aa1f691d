"""Every socket of a tenant's host: what is broadcast in one tenant, listened for in the other."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.conf import settings
from django.urls.resolvers import RoutePattern
from django.utils.module_loading import import_string

from shared_apps.core import context, updates
from shared_apps.onboarding.laboratory.report import Record
from shared_apps.onboarding.laboratory.subjects import Pair, Subject
from shared_apps.onboarding.laboratory.visitors import Visitor

_MESSAGES = 20
_SILENCE = 0.2  # seconds after which nothing more is expected
_PATIENCE = 5  # seconds for what is expected


def probe(pair: Pair, record: Record) -> None:
    visitors = {}
    for subject in (pair.a, pair.b):
        visitors[subject.slug] = Visitor(subject)
        visitors[subject.slug].sign_in()
    for path in _paths(import_string(settings.SOCKET_ROUTER)):
        async_to_sync(_examine)(path, pair, visitors, record)


def _paths(router: URLRouter) -> Iterator[str]:
    for route in router.routes:
        if isinstance(route.pattern, RoutePattern) and not route.pattern.converters:
            yield f"/{route.pattern}"


async def _examine(path: str, pair: Pair, visitors: dict[str, Visitor], record: Record) -> None:
    for asking, other in pair.directions():
        stranger = await _open(path, asking, visitors[other.slug].token)
        closed = await _received(stranger)
        record.expect(
            any(message["type"] == "websocket.close" for message in closed),
            f"{path} at {asking.slug} with {other.slug}'s token",
            "stayed open",
        )
    sockets: dict[str, Any] = {
        subject.slug: await _open(path, subject, visitors[subject.slug].token)
        for subject in (pair.a, pair.b)
    }
    await asyncio.gather(*(_broadcast(subject) for subject in (pair.a, pair.b)))
    for asking, other in pair.directions():
        shown = json.dumps(await _received(sockets[asking.slug], count=_MESSAGES), default=str)
        record.sightings += asking.marker in shown
        record.expect(
            not other.owns(shown), f"{path} at {asking.slug}", f"was sent {other.slug}'s update"
        )
    for socket in sockets.values():
        await socket.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.wait(_PATIENCE)


async def _broadcast(subject: Subject) -> None:
    with context.tenant(subject.identity):
        for _ in range(_MESSAGES):
            await updates.abroadcast_update({"marker": subject.marker})


async def _open(path: str, subject: Subject, token: str) -> Any:
    application: Any = await sync_to_async(import_string)(settings.ASGI_APPLICATION)
    headers = [
        (b"host", subject.host.encode()),
        (b"authorization", f"Bearer {token}".encode()),
    ]
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
    scope |= {"subprotocols": [], "client": ("127.0.0.1", 1)}
    socket: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]  # asgiref has no types there
    await socket.send_input({"type": "websocket.connect"})
    # It joins its groups before it accepts; what is sent earlier does not reach it.
    await socket.receive_output(_PATIENCE)
    return socket


async def _received(socket: Any, *, count: int = 1) -> list[Any]:
    """Up to `count` messages and whatever follows at once."""
    messages: list[Any] = []
    while True:
        wait = _PATIENCE if len(messages) < count else _SILENCE
        # Asking for a message that does not come would end the application.
        if await socket.receive_nothing(wait):
            return messages
        messages.append(await socket.receive_output(1))
        if messages[-1]["type"] == "websocket.close":
            return messages
