"""Ends sockets whose sign-in has ended: one query per process and period, whatever their number."""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from datetime import datetime
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from shared_apps.authn import selectors
from shared_apps.authn.choices import SocketClose
from shared_apps.authn.sockets import SocketSignIn

logger = logging.getLogger(__name__)

# Sockets that could not be asked about for so long are ended: an outage must not keep doors open.
_LONGEST_UNKNOWN = 30.0  # seconds


class Watched(Protocol):
    @property
    def sign_in(self) -> SocketSignIn: ...
    def may_stay(self, role: str) -> bool: ...
    async def cut_off(self, code: SocketClose) -> None: ...


class SocketWatch:
    """Of one event loop. Works while there are sockets."""

    def __init__(self) -> None:
        self._sockets: set[Watched] = set()
        self._task: asyncio.Task[None] | None = None
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
        known_at = time.monotonic()
        while self._sockets:
            await asyncio.sleep(settings.SOCKET_CHECK_SECONDS)
            sockets, at = list(self._sockets), timezone.now()
            ids = {socket.sign_in.sign_in.session_id for socket in sockets}
            try:
                roles = await sync_to_async(_ask, thread_sensitive=False, executor=self._thread)(
                    ids, at
                )
                known_at = time.monotonic()
                verdicts = [(socket, _verdict(socket, roles, at)) for socket in sockets]
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


def _ask(session_ids: set[UUID], at: datetime) -> dict[UUID, str]:
    close_old_connections()
    try:
        return selectors.list_live_roles(session_ids=session_ids, at=at)
    finally:
        close_old_connections()


def _verdict(socket: Watched, roles: dict[UUID, str], at: datetime) -> SocketClose | None:
    """None for one that may stay."""
    role = roles.get(socket.sign_in.sign_in.session_id)
    if role is None or not socket.may_stay(role):
        return SocketClose.NOT_ALLOWED
    if at >= socket.sign_in.ends_at:
        return SocketClose.NOT_SIGNED_IN
    return None
