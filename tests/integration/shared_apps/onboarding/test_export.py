"""A tenant as one file: what is in it, and what is refused as one."""

import json
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import services
from tests import tenant_files
from tests.archives import members
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
