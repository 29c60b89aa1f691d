"""Reading a file by its signed address."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.core.handlers.asgi import ASGIRequest
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import content_disposition_header
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from shared_apps.tenants import file_links
from shared_apps.tenants.errors import FileLinkError, FileMissingError

_PORTION = 256 * 1024  # bytes
# What browsers show without running anything; all else is bytes to them.
_TYPES = {
    "csv": "text/csv",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "pdf": "application/pdf",
    "png": "image/png",
    "txt": "text/plain; charset=utf-8",
    "webp": "image/webp",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
}
# An uploaded page must never act as the tenant's own: it is saved, not shown; and if a browser did
# show it, it would be a page without origin, scripts or anything from elsewhere.
_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # The address is the permission: it is neither kept by caches nor told to other sites.
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
}


class FileView(APIView):
    """The address is the permission, unless it was made for one person."""

    permission_classes = [AllowAny]
    versioning_class = None  # an address that was given away outlives a version of the API

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        """A file is what it is, whatever is asked for."""
        return super().perform_content_negotiation(request, force=True)

    def get(self, request: Request, signed: str) -> HttpResponseBase:
        link = file_links.read(signed, at=timezone.now())
        if link.person_id is not None and getattr(request.user, "pk", None) != link.person_id:
            raise FileLinkError
        try:
            # Opened in the tenant's context. The body is sent after that has ended, and needs the
            # open file only.
            file = default_storage.open(link.name)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise FileMissingError from error
        return _response(request, file, link.name)


def _response(request: Request, file: "File[bytes]", name: str) -> HttpResponseBase:
    last = name.rpartition("/")[2]
    headers = {
        **_HEADERS,
        "Content-Type": _TYPES.get(last.rpartition(".")[2].lower(), "application/octet-stream"),
        "Content-Disposition": content_disposition_header(True, last) or "attachment",
        "Content-Length": str(file.size),
    }
    # Under ASGI a plain iterator would be read into memory as a whole before the first byte is sent.
    is_asynchronous = isinstance(request._request, ASGIRequest)
    portions = _portions(file) if is_asynchronous else iter(partial(file.read, _PORTION), b"")
    response = StreamingHttpResponse(portions, headers=headers)
    closers: Any = response
    closers._resource_closers.append(file.close)
    return response


async def _portions(file: "File[bytes]") -> AsyncIterator[bytes]:
    # Any thread will do: reading needs no database.
    read = sync_to_async(file.read, thread_sensitive=False)
    while portion := await read(_PORTION):
        yield portion
