"""Sockets of people who are signed in at a tenant."""

from collections.abc import Set
from typing import Any, ClassVar

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncJsonWebsocketConsumer

from shared_apps.accounts.choices import Permission
from shared_apps.authn.choices import SocketClose
from shared_apps.authn.socket_watch import watch
from shared_apps.authn.sockets import PROTOCOL, SocketSignIn
from shared_apps.core import updates


class TenantConsumer(AsyncJsonWebsocketConsumer):
    """Base of all consumers: derive, name `groups`, write handlers.

    It runs in the tenant's context from the first to the last line, so groups, database, cache and
    files are that tenant's. Who is not signed in, or has no `required_permission`, is accepted and
    closed at once, because only then a browser is told the code. When the tenant is not served any more, or
    no longer at the socket's host, the socket ends at once, and within SOCKET_CHECK_SECONDS when the
    sign-in or the role does; nothing more is sent on it.
    """

    required_permission: ClassVar[Permission] = Permission.READ
    _is_cut_off = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            watch().discard(self)

    @property
    def sign_in(self) -> SocketSignIn:
        found: SocketSignIn = self.scope["sign_in"]
        return found

    @property
    def host(self) -> str:
        """Where it was opened, in canonical form."""
        host: str = self.scope["tenant_host"]
        return host

    def may_stay(self, permissions: Set[Permission]) -> bool:
        return self.required_permission in permissions

    async def websocket_connect(self, message: Any) -> None:
        found: SocketSignIn | None = self.scope["sign_in"]
        if found is None:
            await self._refuse(SocketClose.NOT_SIGNED_IN)
        elif not self.may_stay(found.sign_in.permissions):
            await self._refuse(SocketClose.NOT_ALLOWED)
        else:
            # Before it joins a group: from here on its end is noticed.
            watch().add(self)
            await super().websocket_connect(message)

    async def connect(self) -> None:
        await self.accept(subprotocol=self._protocol())

    async def cut_off(self, code: SocketClose) -> None:
        """Close from outside. A client that does not answer the close gets nothing more either."""
        self._is_cut_off = True
        await self.close(code=code)

    async def send(self, *args: Any, **kwargs: Any) -> None:
        if not self._is_cut_off:
            await super().send(*args, **kwargs)

    async def dispatch(self, message: Any) -> None:
        # What the client sent before it knew is not carried out; leaving the groups is.
        if self._is_cut_off and message["type"] != "websocket.disconnect":
            return
        await super().dispatch(message)

    async def _refuse(self, code: SocketClose) -> None:
        await self.accept(subprotocol=self._protocol())
        await self.close(code=code)
        raise StopConsumer

    def _protocol(self) -> str | None:
        return PROTOCOL if PROTOCOL in self.scope.get("subprotocols", []) else None


class UpdatesConsumer(TenantConsumer):
    """`core.updates.broadcast_update` reaches these. They are told, and say nothing."""

    groups = [updates.DASHBOARD]

    async def receive(self, *args: Any, **kwargs: Any) -> None:
        """Whatever a client sends is of no interest."""

    async def send_update(self, message: dict[str, str]) -> None:
        # `data` is JSON already.
        await self.send(text_data=f'{{"type": "update", "data": {message["data"]}}}')
