"""A tenant as one file: what is in it, and what is refused as one."""

import gzip
import hashlib
import io
import json
import os
import stat
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import services
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.errors import ArchiveInvalidError
from tests import tenant_files
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console


@pytest.fixture
def filled(acme: TenantIdentity, api: Callable[..., Api], system: Installation) -> TenantIdentity:
    for number in range(3):
        api(acme, "admin").post("vendors/", {"name": f"Vendor {number}\t\\N\nÄ"})
    tenant_files.save(acme, "reports/2026/ä.txt", b"one\ntwo")
    system.relay()
    return acme


@pytest.fixture
def archive(filled: TenantIdentity, tmp_path: Path) -> Path:
    path = tmp_path / "acme.tar.gz"
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(slug="acme", path=path, at=datetime.now(UTC))
    return path


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def rewrite(path: Path, contents: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in contents:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def plain(contents: dict[str, bytes]) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(tarfile.TarInfo(name), content) for name, content in contents.items()]


def test_the_archive_has_everything_of_the_tenant_and_nothing_of_another(
    filled: TenantIdentity, globex: TenantIdentity, console: Console, tmp_path: Path,
) -> None:  # fmt: skip
    tenant_files.save(globex, "globex-only.txt")
    path = tmp_path / "acme.tar.gz"

    ended = console.run("export", "acme", "-o", str(path), "--json")

    assert ended.code == 0, ended.err
    assert ended.json["rows"] >= 3
    assert "invoicing_vendor: 3 rows" in ended.err
    found = members(path)
    assert list(found)[-1] == "manifest.json"
    assert found["tables/invoicing_vendor"].count(b"\n") == 3
    assert found["files/reports/2026/ä.txt"] == b"one\ntwo"
    assert [name for name in found if name.startswith("files/")] == ["files/reports/2026/ä.txt"]
    people = [json.loads(line) for line in found["people.jsonl"].splitlines()]
    assert [person["email"].split("@")[0] for person in people] == ["admin", "editor", "viewer"]
    assert b"argon2" not in b"".join(found.values())
    entries = [json.loads(line) for line in found["audit.jsonl"].splitlines()]
    assert [entry["sequence"] for entry in entries] == list(range(1, len(entries) + 1))
    manifest = json.loads(found["manifest.json"])
    assert manifest["tenant_id"] == str(filled.id)
    assert manifest["declared"]["domains"] == ["acme.localhost"]
    assert manifest["audit_pending"] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["acme.tar.gz"]
    assert console.run("verify-archive", str(path), "--json").json == ended.json


def test_rows_are_those_of_one_moment(
    filled: TenantIdentity, api: Callable[..., Api], tmp_path: Path
) -> None:
    """A vendor that is added once the first table was copied is not in the archive."""
    added = []

    def report(line: str) -> None:
        if line.startswith("[1/"):
            added.append(api(filled, "admin").post("vendors/", {"name": "Late"}).status_code)

    path = tmp_path / "acme.tar.gz"
    with context.operator():
        services.export_tenant(slug="acme", path=path, at=datetime.now(UTC), report=report)

    assert added == [201]
    assert members(path)["tables/invoicing_vendor"].count(b"\n") == 3


def test_a_file_that_is_there_is_not_overwritten(
    filled: TenantIdentity, console: Console, tmp_path: Path
) -> None:
    path = tmp_path / "acme.tar.gz"
    path.write_bytes(b"mine")

    ended = console.run("export", "acme", "-o", str(path))

    assert ended.code == 1
    assert path.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["acme.tar.gz"]


def test_a_full_disk_leaves_no_file(
    filled: TenantIdentity, console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = gzip.GzipFile.write

    def full(self: gzip.GzipFile, data: Any) -> int:
        if b"audit.jsonl" in bytes(data):
            raise OSError(28, "No space left on device")
        return write(self, data)

    monkeypatch.setattr(gzip.GzipFile, "write", full)
    ended = console.run("export", "acme", "-o", str(tmp_path / "acme.tar.gz"))

    assert ended.code == 1
    assert "No space left on device" in ended.err
    assert os.listdir(tmp_path) == []


def test_an_archive_that_is_cut_off_anywhere_is_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    for size in [0, 1, 10, 100, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        archive.write_bytes(whole[:size])
        with pytest.raises(ArchiveInvalidError):
            verify(archive)


def test_an_archive_in_which_a_byte_was_changed_is_refused(archive: Path) -> None:
    contents = members(archive)
    contents["tables/invoicing_vendor"] = contents["tables/invoicing_vendor"].replace(b"0", b"1")
    with pytest.raises(ArchiveInvalidError, match="checksum"):
        verify(rewrite(archive, plain(contents)))


@pytest.mark.parametrize(
    "name", ["files/../../x", "/etc/passwd", "files//x", "files/./x", "x", "files/a\\b", "files/"]
)
def test_a_name_that_climbs_out_is_refused(archive: Path, name: str) -> None:
    """Also when the manifest vouches for it."""
    contents = members(archive)
    manifest = json.loads(contents.pop("manifest.json"))
    contents[name] = b"x"
    manifest["members"][name] = {"size": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    contents["manifest.json"] = json.dumps(manifest).encode()
    with pytest.raises(ArchiveInvalidError):
        verify(rewrite(archive, plain(contents)))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE]
)
def test_what_is_not_a_plain_file_is_refused(archive: Path, kind: bytes) -> None:
    odd = tarfile.TarInfo("files/odd")
    odd.type, odd.linkname = kind, "/etc/passwd"
    with pytest.raises(ArchiveInvalidError, match="plain file"):
        verify(rewrite(archive, [(odd, b""), *plain(members(archive))]))


def test_a_name_twice_and_what_follows_the_manifest_are_refused(archive: Path) -> None:
    contents = plain(members(archive))
    for odd in ([contents[0], *contents], [*contents, contents[0]], contents[1:], contents[:-1]):
        with pytest.raises(ArchiveInvalidError):
            verify(rewrite(archive, odd))


def test_an_archive_of_another_format_is_refused(archive: Path) -> None:
    contents = members(archive)
    contents["manifest.json"] = contents["manifest.json"].replace(b'"format": 1', b'"format": 2')
    with pytest.raises(ArchiveInvalidError, match="format 2"):
        verify(rewrite(archive, plain(contents)))
