"""Requests through Django's ASGI handler, without a server."""

from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIHandler

from shared_apps.core.context import TenantIdentity


async def fetch(application: ASGIHandler, tenant: TenantIdentity, path: str) -> tuple[int, bytes]:
    """Status and body."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", f"{tenant.slug}.localhost".encode())],
    }
    request = ApplicationCommunicator(application, scope)
    await request.send_input({"type": "http.request", "body": b""})
    status = (await request.receive_output(30))["status"]
    body, is_more = b"", True
    while is_more:
        part = await request.receive_output(30)
        body, is_more = body + part.get("body", b""), part.get("more_body", False)
    await request.wait(30)
    return status, body
