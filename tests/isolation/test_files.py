"""The files of one tenant are nobody else's, by name, by link or by address."""

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
from django.conf import settings
from django.core import signing
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage as files
from django.test import Client, override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.tenants.errors import FileNameError
from tests.client import Api
from tests.server import Server

SignedIn = Callable[..., Api]


@pytest.fixture(autouse=True)
def _root(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=str(tmp_path / "files")):
        yield


def save(tenant: TenantIdentity, name: str, content: bytes = b"content") -> str:
    with context.tenant(tenant):
        return files.save(name, ContentFile(content))


def read(tenant: TenantIdentity, name: str) -> bytes:
    with context.tenant(tenant), files.open(name) as file:
        content: bytes = file.read()
        return content


def address(tenant: TenantIdentity, name: str, **options: Any) -> str:
    with context.tenant(tenant):
        return files.url(name, **options)  # type: ignore[call-arg]


def get(tenant: TenantIdentity | None, url: str) -> Any:
    host = f"{tenant.slug}.localhost" if tenant else "localhost"
    return Client(raise_request_exception=False).get(url, headers={"host": host})


# -- names ------------------------------------------------------------------------------------------


def test_the_same_name_is_another_file_in_another_tenant(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    assert save(acme, "a/report.txt", b"acme") == save(globex, "a/report.txt", b"globex!")
    for tenant, content in ((acme, b"acme"), (globex, b"globex!")):
        with context.tenant(tenant):
            assert read(tenant, "a/report.txt") == content
            assert files.size("a/report.txt") == len(content)
            assert files.listdir("") == (["a"], [])
            assert files.listdir("a") == ([], ["report.txt"])
    with context.tenant(acme):
        files.delete("a/report.txt")
        assert not files.exists("a/report.txt")
    with context.tenant(globex):
        assert files.exists("a/report.txt")
    with context.operator():
        assert not files.exists("a/report.txt")


def test_the_directory_is_named_by_the_id(acme: TenantIdentity) -> None:
    save(acme, "report.txt")
    assert (Path(settings.MEDIA_ROOT) / f"tenant-{acme.id.hex}" / "report.txt").is_file()


@pytest.mark.parametrize(
    "use",
    [
        lambda: files.save("name", ContentFile(b"")),
        lambda: files.open("name"),
        lambda: files.exists("name"),
        lambda: files.size("name"),
        lambda: files.delete("name"),
        lambda: files.listdir(""),
        lambda: files.path("name"),
        lambda: files.url("name"),
        lambda: files.get_modified_time("name"),
    ],
)
def test_on_nobodys_behalf_there_are_no_files(acme: TenantIdentity, use: Any) -> None:
    with context.nobody(), pytest.raises(TenantContextRequired):
        use()


BAD_NAMES = [
    "../other", "a/../../other", "a/..", "..", "/etc/passwd", "//etc/passwd", "a//b", "./a", "a/./b",
    "a/", "a\\..\\b", "C:\\a", "a\0b", "a\nb", "\u202ea", "a\u200bb", "\ufeffa", "\ud800",
    "\uff0e\uff0e/a", "a\uff0fb", "\u2024\u2024/a", "e\u0301", "x" * 201, "ä" * 101,
    "/".join(["x" * 100] * 11),
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_name_that_is_not_plain_is_refused_by_every_method(
    acme: TenantIdentity, globex: TenantIdentity, name: str
) -> None:
    save(globex, "other")
    uses: list[Callable[[], Any]] = [
        lambda: files.save(name, ContentFile(b"")),
        lambda: files.open(name, "wb"),
        lambda: files.exists(name),
        lambda: files.size(name),
        lambda: files.delete(name),
        lambda: files.listdir(name),
        lambda: files.url(name),
        lambda: files.generate_filename(name),
    ]
    with context.tenant(acme):
        for use in uses:
            with pytest.raises(SuspiciousFileOperation):
                use()
    found = [path for path in Path(settings.MEDIA_ROOT).rglob("*") if path.is_file()]
    assert [path.name for path in found] == ["other"]


@pytest.mark.parametrize(
    "name", ["Rechnung März.pdf", "счёт.pdf", "請求書.pdf", "a b+c%20.txt", "-x"]
)
def test_names_in_any_language_are_fine(acme: TenantIdentity, name: str) -> None:
    assert save(acme, name, b"content") == name
    assert get(acme, address(acme, name)).getvalue() == b"content"


def test_a_name_that_is_taken_gets_another(acme: TenantIdentity) -> None:
    assert save(acme, "report.txt", b"first") == "report.txt"
    second = save(acme, "report.txt", b"second")
    assert second != "report.txt"
    assert read(acme, "report.txt") == b"first"


@pytest.mark.parametrize("link", ["file", "directory"])
def test_a_symbolic_link_leads_nowhere(
    acme: TenantIdentity, globex: TenantIdentity, link: str
) -> None:
    save(globex, "secret.txt")
    save(acme, "own.txt")
    with context.tenant(globex):
        theirs = Path(files.path("secret.txt"))
    with context.tenant(acme):
        own = Path(files.path(""))
        (own / "link").symlink_to(theirs if link == "file" else theirs.parent)
        name = "link" if link == "file" else "link/secret.txt"
        for use in (files.open, files.exists, files.size, files.delete):
            with pytest.raises(FileNameError):
                use(name)
        own.rename(own.with_name("moved"))
        own.symlink_to(theirs.parent)
        with pytest.raises(FileNameError):
            files.open("secret.txt")
    assert theirs.is_file()


def test_without_a_place_nothing_is_written(acme: TenantIdentity) -> None:
    with (
        override_settings(MEDIA_ROOT=""),
        context.tenant(acme),
        pytest.raises(ImproperlyConfigured, match="FILES_ROOT"),
    ):
        files.save("report.txt", ContentFile(b""))


# -- addresses --------------------------------------------------------------------------------------


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
