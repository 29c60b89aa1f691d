"""Django's ASGI handler, which would otherwise keep whatever anybody sends."""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import IO, Any

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http.response import HttpResponseBase

from shared_apps.core import answer_floor

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BoundedASGIHandler(ASGIHandler):
    """Keeps at most the largest body that is accepted, and reads one that was sent in chunks.

    An answer that is held back (answer_floor.py) waits here, where it keeps no thread.
    """

    async def handle(self, scope: Any, receive: Receive, send: Any) -> None:
        """Of a body that is too large only so much is kept that it is seen to be.

        Django writes all of it into a temporary file before it looks who sends it, so that anybody
        could fill the disk. The rest is received and dropped: a sender who is cut off in the middle
        would see a broken connection and not our answer.
        """
        await super().handle(scope, bounded(receive, scope), send)

    async def send_response(self, response: HttpResponseBase, send: Any) -> None:
        if wait := answer_floor.seconds_left(response, now=time.monotonic()):
            await asyncio.sleep(wait)
        await super().send_response(response, send)

    def create_request(self, scope: Any, body_file: IO[Any]) -> Any:
        """Say how long a body is that came in chunks: without a length it would be taken for none."""
        if not any(name == b"content-length" for name, _ in scope["headers"]):
            length = body_file.seek(0, os.SEEK_END)
            body_file.seek(0)
            measured = (b"content-length", str(length).encode())
            scope = {**scope, "headers": [*scope["headers"], measured]}
        return super().create_request(scope, body_file)


def get_application() -> BoundedASGIHandler:
    """For config/asgi.py, in the place of Django's `get_asgi_application`."""
    django.setup(set_prefix=False)
    return BoundedASGIHandler()


def _largest_body(scope: Mapping[str, Any]) -> int:
    """More than usual where files are uploaded, for whoever shows some token or cookie."""
    usual: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if not any(name in (b"authorization", b"cookie") for name, _ in scope["headers"]):
        return usual
    for address, most in settings.UPLOAD_LIMITS.items():
        if re.fullmatch(address, scope["path"]):
            return max(usual, most)
    return usual


def bounded(receive: Receive, scope: Mapping[str, Any]) -> Receive:
    """What is received, up to one byte more than the request may send."""
    left = _largest_body(scope) + 1

    async def receive_bounded() -> Message:
        nonlocal left
        message = await receive()
        kept = message.get("body", b"")[:left]
        left -= len(kept)
        return {**message, "body": kept} if message["type"] == "http.request" else message

    return receive_bounded
