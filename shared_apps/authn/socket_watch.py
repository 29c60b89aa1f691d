"""Ends sockets whose sign-in has ended, or whose host leads to their tenant no longer.

Two queries per process and period, whatever their number; a change of tenants that is announced does not wait
for the period's end.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from shared_apps.accounts.choices import Permission
from shared_apps.authn import selectors
from shared_apps.authn.choices import SocketClose
from shared_apps.authn.sockets import SocketSignIn
from shared_apps.tenants import routing
from shared_apps.tenants import selectors as tenants

logger = logging.getLogger(__name__)

# Sockets that could not be asked about for so long are ended: an outage must not keep doors open.
_LONGEST_UNKNOWN = 30.0  # seconds
# Many changes in a row, of a fleet that is being set up for one, are looked at together.
_SHORTEST_PERIOD = 0.2  # seconds


class Watched(Protocol):
    @property
    def sign_in(self) -> SocketSignIn: ...
    @property
    def host(self) -> str: ...
    def may_stay(self, permissions: Set[Permission]) -> bool: ...
    async def cut_off(self, code: SocketClose) -> None: ...


class SocketWatch:
    """Of one event loop. Works while there are sockets."""

    def __init__(self) -> None:
        self._sockets: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()
        # A thread and a connection of its own: it must not wait behind what sockets do.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="socket-watch")

    def add(self, socket: Watched) -> None:
        self._sockets.add(socket)
        if self._task is None or self._task.done():
            # Nobody's context, not that of the socket that happened to be the first.
            self._task = asyncio.get_running_loop().create_task(self._run(), context=Context())

    def discard(self, socket: Watched) -> None:
        self._sockets.discard(socket)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and its sockets with it
                loop.call_soon_threadsafe(self._change.set)

        routing.watch_changes(wake)
        try:
            await self._look_until_there_are_none()
        finally:
            routing.unwatch_changes(wake)

    async def _pause(self) -> None:
        await asyncio.sleep(_SHORTEST_PERIOD)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._change.wait(), settings.SOCKET_CHECK_SECONDS)
        self._change.clear()

    async def _look_until_there_are_none(self) -> None:
        known_at = time.monotonic()
        while self._sockets:
            await self._pause()
            sockets, at = list(self._sockets), timezone.now()
            ids = {socket.sign_in.sign_in.session_id for socket in sockets}
            hosts = {socket.host for socket in sockets}
            try:
                known = await sync_to_async(_ask, thread_sensitive=False, executor=self._thread)(
                    ids, hosts, at
                )
                known_at = time.monotonic()
                verdicts = [(socket, _verdict(socket, known, at)) for socket in sockets]
            except DatabaseError:
                logger.warning("Open sockets could not be checked", exc_info=True)
                if time.monotonic() - known_at < _LONGEST_UNKNOWN:
                    continue
                verdicts = [(socket, SocketClose.TRY_AGAIN_LATER) for socket in sockets]
            for socket, code in verdicts:
                if code is not None:
                    self._sockets.discard(socket)
                    _closing.add(task := asyncio.create_task(socket.cut_off(code)))
                    task.add_done_callback(_closing.discard)


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, SocketWatch] = WeakKeyDictionary()
# The event loop itself keeps weak references to tasks only.
_closing: set[asyncio.Task[None]] = set()


def watch() -> SocketWatch:
    """The running event loop's."""
    loop = asyncio.get_running_loop()
    if loop not in _watches:
        _watches[loop] = SocketWatch()
    return _watches[loop]


@dataclass(frozen=True, slots=True)
class _Known:
    permissions: Mapping[UUID, Set[Permission]]
    """By session."""
    tenants: Mapping[str, UUID]
    """By host."""


def _ask(session_ids: set[UUID], hosts: set[str], at: datetime) -> _Known:
    close_old_connections()
    try:
        return _Known(
            selectors.list_live_permissions(session_ids=session_ids, at=at),
            tenants.list_served_hosts(hosts=hosts),
        )
    finally:
        close_old_connections()


def _verdict(socket: Watched, known: _Known, at: datetime) -> SocketClose | None:
    """None for one that may stay."""
    permissions = known.permissions.get(socket.sign_in.sign_in.session_id)
    if known.tenants.get(socket.host) != socket.sign_in.sign_in.tenant_id:
        return SocketClose.NOT_ALLOWED
    if permissions is None or not socket.may_stay(permissions):
        return SocketClose.NOT_ALLOWED
    if at >= socket.sign_in.ends_at:
        return SocketClose.NOT_SIGNED_IN
    return None
