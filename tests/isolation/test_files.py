"""The files of one tenant are nobody else's, by name or by link."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage as files
from django.test import override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.core.limits import TenantQuotas
from shared_apps.tenants.errors import FileNameError, StorageFullError
from tests.installation import Installation
from tests.tenant_files import read, save


@pytest.fixture(autouse=True)
def _root(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=str(tmp_path / "files")):
        yield


# No database is touched here, so there is nothing to clean.
@pytest.fixture
def acme(installation: Installation) -> TenantIdentity:
    return installation.tenants["acme"]


@pytest.fixture
def globex(installation: Installation) -> TenantIdentity:
    return installation.tenants["globex"]


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


def test_files_take_what_a_tenant_has_bought_and_no_more(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    bought = replace(acme, quotas=TenantQuotas(storage_mb=1))
    save(bought, "a/first.txt", b"x" * 600_000)
    for content in (b"x" * 400_001, b"x" * 2_000_000):
        with pytest.raises(StorageFullError):
            save(bought, "second.txt", content)
    save(bought, "second.txt", b"x" * 400_000)
    with pytest.raises(StorageFullError):
        save(bought, "third.txt", b"x")
    with context.tenant(bought):
        assert files.listdir("") == (["a"], ["second.txt"])
        files.delete("a/first.txt")
    save(bought, "third.txt", b"x" * 600_000)
    # globex has bought nothing, and what is acme's is not counted there.
    save(globex, "large.txt", b"x" * 2_000_000)
