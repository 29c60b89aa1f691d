"""The address of a file is good at its own tenant, for a while, and harmless to a browser."""

import asyncio
import io
import os
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core import signing
from django.core.asgi import get_asgi_application
from django.core.files.base import File
from django.core.files.storage import default_storage as files
from django.test import Client, override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.server import Server
from tests.tenant_files import address, save

SignedIn = Callable[..., Api]


@pytest.fixture(autouse=True)
def _root(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=str(tmp_path / "files")):
        yield


def get(tenant: TenantIdentity | None, url: str) -> Any:
    host = f"{tenant.slug}.localhost" if tenant else "localhost"
    return Client(raise_request_exception=False).get(url, headers={"host": host})


@pytest.mark.parametrize(
    "name", ["Rechnung März.pdf", "счёт.pdf", "請求書.pdf", "a b+c%20.txt", "-x"]
)
def test_names_in_any_language_are_fine(acme: TenantIdentity, name: str) -> None:
    assert save(acme, name, b"content") == name
    assert get(acme, address(acme, name)).getvalue() == b"content"


def test_an_address_gives_the_file_at_its_own_tenant_only(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    save(acme, "a/report.txt", b"acme's")
    save(globex, "a/report.txt", b"globex's")
    url = address(acme, "a/report.txt")
    response = get(acme, url)
    assert (response.status_code, response.getvalue()) == (200, b"acme's")
    for stranger in (globex, None):
        refused = get(stranger, url)
        assert refused.status_code == (403 if stranger else 404)
        assert refused["Content-Type"] == "application/problem+json"
        assert b"acme" not in refused.content


@pytest.mark.parametrize("change", ["signature", "content", "none", "other salt", "long"])
def test_an_address_that_we_did_not_make_is_refused(acme: TenantIdentity, change: str) -> None:
    save(acme, "report.txt")
    url = address(acme, "report.txt")
    content, time, signature = url.removeprefix("/files/").split(":")
    forged = {
        "signature": f"{content}:{time}:{signature[:-1]}{'A' if signature[-1] != 'A' else 'B'}",
        "content": f"{content[:-2]}AA:{time}:{signature}",
        "none": content,
        "other salt": signing.dumps({"s": f"tenant-{acme.id.hex}", "n": "report.txt", "e": 2**32}),
        "long": "x" * 5000,
    }[change]
    refused = get(acme, f"/files/{forged}")
    assert (refused.status_code, refused.json()["code"]) == (403, "tenants.invalid_file_link")


def test_an_address_ends(acme: TenantIdentity) -> None:
    save(acme, "report.txt")
    refused = get(acme, address(acme, "report.txt", lifetime=timedelta(seconds=-1)))
    assert (refused.status_code, refused.json()["code"]) == (403, "tenants.file_link_expired")


def test_an_address_for_one_person_is_good_for_that_person(
    acme: TenantIdentity, api: SignedIn
) -> None:
    save(acme, "report.txt", b"content")
    viewer, editor = api(acme, "viewer"), api(acme, "editor")
    person = uuid.UUID(viewer.tokens["user"]["id"])
    url = address(acme, "report.txt", person_id=person)
    assert viewer.get(url).getvalue() == b"content"
    assert editor.get(url).status_code == 403
    assert api(acme).get(url).status_code == 403


def test_a_file_that_is_gone_is_not_found(acme: TenantIdentity) -> None:
    assert get(acme, address(acme, "gone.txt")).status_code == 404
    save(acme, "directory/file")
    assert get(acme, address(acme, "directory")).status_code == 404
    assert get(acme, address(acme, "directory/file/below")).status_code == 404


PAGE = b"<html><script>alert(document.domain)</script>"


@pytest.mark.parametrize(
    "name", ["page.html", "image.svg", "script.js", "page.xhtml", "page", "x.xml"]
)
def test_an_uploaded_page_is_no_page(acme: TenantIdentity, name: str) -> None:
    save(acme, name, PAGE)
    response = get(acme, address(acme, name))
    assert response.getvalue() == PAGE
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"] == "private, no-store"


def test_a_quotation_mark_in_a_name_ends_no_header(acme: TenantIdentity) -> None:
    save(acme, 'a";b.txt')
    response = get(acme, address(acme, 'a";b.txt'))
    response.close()
    assert response["Content-Disposition"] == 'attachment; filename="a\\";b.txt"'


def test_a_large_file_is_sent_in_portions_after_the_context_has_ended(
    in_process_asgi: None, acme: TenantIdentity
) -> None:
    """Through Django's ASGI handler; the middleware has left the context before the first byte."""
    size = 24 * 1024 * 1024
    with context.tenant(acme):
        files.save("large.bin", File(io.BytesIO(os.urandom(1024) * (size // 1024))))
    url = address(acme, "large.bin")

    async def read_all() -> tuple[int, int]:
        received = peak = 0
        asked = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "path": url, "query_string": b"",
            "raw_path": url.encode(), "root_path": "", "scheme": "http", "server": ("", 80),
            "headers": [(b"host", b"acme.localhost")],
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return asked.pop() if asked else await asyncio.sleep(60, {"type": "http.disconnect"})

        async def send(message: dict[str, Any]) -> None:
            nonlocal received, peak
            assert context.current() is None
            received += len(message.get("body", b""))
            peak = max(peak, tracemalloc.get_traced_memory()[0])

        await get_asgi_application()(scope, receive, send)
        return received, peak

    tracemalloc.start()
    try:
        received, peak = asyncio.run(read_all())
    finally:
        tracemalloc.stop()
    assert received == size
    assert peak < size / 4


def test_the_server_gives_files_too(
    server: Server, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with override_settings(MEDIA_ROOT=os.environ["FILES_ROOT"]):
        save(acme, "page.html", PAGE)
        url = address(acme, "page.html")
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        found = client.get(url, headers={"host": server.host(acme), "accept": "image/png"})
        assert (found.status_code, found.content) == (200, PAGE)
        assert found.headers["content-type"] == "application/octet-stream"
        assert client.head(url, headers={"host": server.host(acme)}).content == b""
        assert client.get(url, headers={"host": server.host(globex)}).status_code == 403
        assert client.post(url, headers={"host": server.host(acme)}).status_code == 405
