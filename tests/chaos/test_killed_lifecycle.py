"""Export, restore, clone, rename and delete, killed with SIGKILL at any moment: a statement, a file.

What is left is what docs/tenants.md says, and one command ends it.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from shared_apps.core import context
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.tenants import selectors
from shared_apps.tenants.models import Tenant
from tests import tenant_files
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant
from tests.made_tenants import removed_afterwards
from tests.tenant_contents import rows

DOOMED = Path(__file__).with_name("doomed.py")
# How many of the moments are tried; all of them: FREEHOLD_TEST_MOMENTS=100000.
_MOMENTS = int(os.environ.get("FREEHOLD_TEST_MOMENTS", "4"))
_COPY = ("--domain", "copy.localhost")


class Doomed:
    """tests/chaos/doomed.py, kept running."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, *arguments: str, until: int = 0) -> tuple[int, int]:
        """Exit code and moments of `manage.py tenant …`, which dies at the moment `until`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([until, *arguments]) + "\n")
        self._process.stdin.flush()
        code, moments = self._process.stdout.readline().split()
        return int(code), int(moments)

    def killed(
        self, *arguments: str, prepare: Callable[[], object], end: Callable[[], object]
    ) -> Iterator[int]:
        """Each moment at which it was killed; `end` makes good for the next, which `prepare` begins."""
        prepare()
        code, moments = self.run(*arguments)
        assert code == 0, arguments
        assert moments > 5
        end()
        for moment in sorted({*range(1, moments, -(-moments // _MOMENTS)), moments - 1, moments}):
            prepare()
            code, _ = self.run(*arguments, until=moment)
            assert code == -signal.SIGKILL, (moment, moments)
            yield moment
            end()


@pytest.fixture
def console(system: Installation, tmp_path: Path) -> Iterator[Console]:
    with removed_afterwards(system):
        yield Console(tmp_path / "tenants.yaml")


@pytest.fixture
def doomed(console: Console, tmp_path: Path) -> Iterator[Doomed]:
    (tmp_path / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, DOOMED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "temporary")},
    ) as process:  # fmt: skip
        yield Doomed(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=10)


@pytest.fixture
def initech(console: Console, system: Installation) -> dict[str, list[str]]:
    """The rows of a tenant with demonstration invoices and two files."""
    console.declare(tenant("initech", setup="[dev_demo_data]"))
    applied = console.apply()
    assert applied.code == 0, applied.err
    made = selectors.get_tenant(slug="initech").identity
    tenant_files.save(made, "reports/2026/ä.txt", b"one\ntwo")
    tenant_files.save(made, "b.txt", b"three")
    system.relay()
    return rows(system, "t_initech")


@pytest.fixture
def archive(initech: dict[str, list[str]], console: Console, tmp_path: Path) -> str:
    path = tmp_path / "initech.tar.gz"
    assert console.run("export", "initech", "-o", str(path)).code == 0
    return str(path)


def state_of(slug: str) -> str:
    with context.operator():
        found = Tenant.objects.filter(slug=slug).first()
    return found.state if found else ""


def status_at(slug: str) -> int:
    """What a visitor of that host is answered; 401 is served."""
    client = Api(None)
    client.host = f"{slug}.localhost"
    return int(client.get("vendors/").status_code)


def left_of(system: Installation, slug: str) -> list[str]:
    """Of a tenant that is gone: in the database, and of any tenant but those that are there, files."""
    with system.owner() as owner:
        found = owner.execute(
            "SELECT 'schema' FROM pg_namespace WHERE nspname = %(schema)s UNION"
            " SELECT 'role' FROM pg_roles WHERE rolname LIKE %(role)s UNION"
            " SELECT 'row' FROM tenants_tenant WHERE slug = %(slug)s UNION"
            " SELECT 'domain' FROM tenants_domain WHERE domain = %(domain)s UNION"
            " SELECT 'ledger' FROM fleet_schemaversion WHERE schema_name = %(schema)s UNION"
            " SELECT 'gathered' FROM portfolio_vendor WHERE tenant_id NOT IN"
            "  (SELECT id FROM tenants_tenant) UNION"
            " SELECT 'member' FROM accounts_usertenantrole WHERE tenant_id NOT IN"
            "  (SELECT id FROM tenants_tenant)",
            {"schema": f"t_{slug}", "role": f"%\\_t\\_{slug}", "slug": slug,
             "domain": f"{slug}.localhost"},
        ).fetchall()  # fmt: skip
        known = {f"tenant-{row[0].hex}" for row in owner.execute("SELECT id FROM tenants_tenant")}
    there = {path.name for path in Path(settings.MEDIA_ROOT).glob("tenant-*")}
    return [*(row[0] for row in found), *sorted(there - known)]


def assert_half_or_whole(system: Installation, original: dict[str, list[str]], at: Any) -> None:
    """A tenant `copy` that is being made is there and served as a whole, or waits to be removed."""
    match state_of("copy"):
        case "ACTIVE":
            assert rows(system, "t_copy") == original, at
            made = selectors.get_tenant(slug="copy").identity
            assert tenant_files.read(made, "reports/2026/ä.txt") == b"one\ntwo", at
            assert status_at("copy") == 401, at
        case "FAILED":
            assert status_at("copy") == 503, at
        case state:
            assert (state, left_of(system, "copy")) == ("", []), at


def remove(console: Console, system: Installation, slug: str = "copy") -> None:
    """By the command that its state asks for."""
    system.relay()
    match state_of(slug):
        case "FAILED":
            ended = console.run("undo-failed", slug)
        case "":
            return
        case _:
            ended = console.run(
                "delete", slug, "--now", "--confirm", slug, "--without-backup", slug
            )
    assert ended.code == 0, ended.err
    assert left_of(system, slug) == []


def test_export(
    doomed: Doomed, console: Console, initech: dict[str, list[str]], tmp_path: Path
) -> None:
    """The file has its name when it is whole; else there is a `.part`, or nothing."""
    folder = tmp_path / "backups"
    folder.mkdir()
    path = folder / "initech.tar.gz"

    def clear() -> None:
        for left in folder.iterdir():
            left.unlink()

    for moment in doomed.killed("export", "initech", "-o", str(path), prepare=clear, end=clear):
        parts = [left.name for left in folder.iterdir() if left != path]
        assert all(name.startswith(".initech.tar.gz.") and name.endswith(".part") for name in parts)
        if path.exists():
            assert verify(path).declared["slug"] == "initech", moment
        else:
            assert console.run("export", "initech", "-o", str(path)).code == 0, moment


def test_restore(
    doomed: Doomed, console: Console, system: Installation, initech: dict[str, list[str]], archive: str
) -> None:  # fmt: skip
    states = set()
    for moment in doomed.killed(
        "restore", archive, "--as", "copy", *_COPY,
        prepare=lambda: None, end=lambda: remove(console, system),
    ):  # fmt: skip
        assert_half_or_whole(system, initech, moment)
        states.add(state_of("copy"))

    assert "FAILED" in states
    assert rows(system, "t_initech") == initech


def test_clone(
    doomed: Doomed, console: Console, system: Installation, initech: dict[str, list[str]], tmp_path: Path
) -> None:  # fmt: skip
    temporary = tmp_path / "temporary"
    states, left = set(), set()
    for moment in doomed.killed(
        "clone", "initech", "copy", *_COPY,
        prepare=lambda: None, end=lambda: remove(console, system),
    ):  # fmt: skip
        assert_half_or_whole(system, initech, moment)
        states.add(state_of("copy"))
        left |= {path.name[:15] for path in temporary.iterdir()}

    assert "FAILED" in states
    assert left == {"freehold-clone-"}
    assert rows(system, "t_initech") == initech
    assert tenant_files.read(selectors.get_tenant(slug="initech").identity, "b.txt") == b"three"


def test_rename(
    doomed: Doomed, console: Console, system: Installation, initech: dict[str, list[str]]
) -> None:
    """Before or after: never a slug without its host, or one of both at two addresses."""

    def back() -> None:
        if state_of("initrode"):
            assert console.run("rename", "initrode", "initech").code == 0

    for moment in doomed.killed("rename", "initech", "initrode", prepare=back, end=back):
        seen = (state_of("initech"), state_of("initrode"))
        served = (status_at("initech"), status_at("initrode"))
        assert (seen, served) in (
            (("ACTIVE", ""), (401, 404)),
            (("", "ACTIVE"), (404, 401)),
        ), moment
        assert rows(system, "t_initech") == initech, moment


def test_delete(
    doomed: Doomed, console: Console, system: Installation, archive: str, tmp_path: Path
) -> None:
    """The same command once more ends it; from the moment on that it was begun nobody is served."""
    backup = tmp_path / "backup.tar.gz"
    command = ["delete", "copy", "--now", "--confirm", "copy", "--backup", str(backup)]

    def make() -> None:
        backup.unlink(missing_ok=True)
        assert console.run("restore", archive, "--as", "copy", *_COPY).code == 0
        system.relay()

    states = set()
    for moment in doomed.killed(*command, prepare=make, end=lambda: None):
        states.add(state_of("copy"))
        if state_of("copy") not in ("ACTIVE", "SUSPENDED"):
            assert status_at("copy") == 404, moment
        if state_of("copy"):
            ended = console.run(*command)
            assert (ended.code, ended.out) == (0, "copy: deleted\n"), (moment, ended.err)
        assert left_of(system, "copy") == [], moment
        assert verify(backup).declared["slug"] == "copy", moment

    assert "DELETED" in states
    assert console.run("purge").out.strip() == "nothing to delete"
