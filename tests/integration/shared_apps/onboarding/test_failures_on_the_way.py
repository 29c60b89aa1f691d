"""An export or a restore that fails in the middle: nothing half remains.

What fails is real: a file system without space, a limit of the kernel, a database that refuses.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.test import override_settings

from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import services
from shared_apps.onboarding.errors import ArchiveWriteError
from shared_apps.tenants import selectors
from tests import tenant_files
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console
from tests.volumes import WHY_NOT, fill, mounted

ROOT = Path(__file__).resolve().parents[4]
_KB = 1 << 10
_RESTORE = ("--as", "copy", "--domain", "copy.localhost")


@pytest.fixture
def filled(acme: TenantIdentity, api: Callable[..., Api], system: Installation) -> TenantIdentity:
    """With files that no compression makes small."""
    assert api(acme, "admin").post("vendors/", {"name": "Nordwind"}).status_code == 201
    for number in range(3):
        tenant_files.save(acme, f"noise/{number}", os.urandom(200 * _KB))
    system.relay()
    return acme


@pytest.fixture
def archive(filled: TenantIdentity, tmp_path: Path) -> Path:
    path = tmp_path / "acme.tar.gz"
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(slug="acme", path=path, at=datetime.now(UTC))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    with mounted(path, size=1024 * _KB) as is_mounted:
        if not is_mounted:
            pytest.skip(WHY_NOT)
        yield path


def tenant_with_limit(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """`manage.py tenant …`, by a process that the kernel lets write no file of more than 100 KB."""
    limit = (100 * _KB, 100 * _KB)
    return subprocess.run(
        [sys.executable, "manage.py", "tenant", *arguments], cwd=ROOT, env=os.environ,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def leftovers(system: Installation) -> list[str]:
    """Of a tenant `copy`, in the database; and of any tenant but two among the files."""
    with system.owner() as owner:
        found = owner.execute(
            "SELECT 'schema' FROM pg_namespace WHERE nspname = 't_copy' UNION"
            " SELECT 'role' FROM pg_roles WHERE rolname LIKE '%\\_t\\_copy' UNION"
            " SELECT 'row' FROM tenants_tenant WHERE slug = 'copy' UNION"
            " SELECT 'domain' FROM tenants_domain WHERE domain = 'copy.localhost' UNION"
            " SELECT 'ledger' FROM fleet_schemaversion WHERE schema_name = 't_copy' UNION"
            " SELECT 'member' FROM accounts_usertenantrole WHERE tenant_id NOT IN"
            "  (SELECT id FROM tenants_tenant)"
        ).fetchall()
    left = [row[0] for row in found]
    known = {f"tenant-{tenant.id.hex}" for tenant in system.tenants.values()}
    root = Path(os.environ["FILES_ROOT"])
    left += [path.name for path in root.glob("tenant-*") if path.name not in known]
    return left


@contextmanager
def refusing(system: Installation, *changes: str) -> Iterator[None]:
    """The database itself says no to changes like `INSERT ON invoice`, as a full disk under it would."""
    with system.owner() as owner:
        owner.execute(
            "CREATE FUNCTION public.test_refuses() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full', MESSAGE = 'no space'; END $$"
        )
        for number, change in enumerate(changes):
            before, _, when = change.partition(" WHEN ")
            owner.execute(
                f"CREATE TRIGGER test_refuses_{number} BEFORE {before} FOR EACH ROW"  # type: ignore[arg-type]  # our own text
                f" WHEN ({when or 'true'}) EXECUTE FUNCTION public.test_refuses()"
            )
    try:
        yield
    finally:
        with system.owner() as owner:
            owner.execute("DROP FUNCTION public.test_refuses() CASCADE")


def test_the_disk_is_full_in_the_middle_of_an_export(
    filled: TenantIdentity, console: Console, small: Path
) -> None:
    fill(small / "ballast")
    with (small / "ballast").open("r+b") as ballast:
        ballast.truncate(1024 * _KB - 300 * _KB)

    ended = console.run("export", "acme", "-o", str(small / "acme.tar.gz"))

    assert ended.code == 1
    assert "No space left on device" in ended.err
    assert "files: 3" not in ended.err, "in the middle"
    assert os.listdir(small) == ["ballast"]
    (small / "ballast").unlink()
    assert console.run("export", "acme", "-o", str(small / "acme.tar.gz")).code == 0


def test_the_disk_is_full_in_the_middle_of_a_restore(
    archive: Path, made: None, system: Installation, small: Path
) -> None:
    def report(line: str) -> None:
        if line.startswith("files/noise/0"):
            fill(small / "ballast")

    def restore() -> None:
        with context.operator(), attribution.acting(attribution.command("test")):
            services.restore_tenant(
                path=archive, slug="copy", domains=("copy.localhost",), at=datetime.now(UTC),
                report=report,
            )  # fmt: skip

    with override_settings(MEDIA_ROOT=str(small)):
        with pytest.raises(ArchiveWriteError, match="No space left on device"):
            restore()
        assert os.listdir(small) == ["ballast"]
        assert leftovers(system) == []
        with pytest.raises(ArchiveWriteError, match="not enough space"):
            restore()
        assert leftovers(system) == []


def test_no_file_may_grow_in_the_middle_of_an_export(
    filled: TenantIdentity, tmp_path: Path
) -> None:
    ended = tenant_with_limit("export", "acme", "-o", str(tmp_path / "acme.tar.gz"))

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith(
        "CommandError: The archive could not be written: File too large."
    )
    assert os.listdir(tmp_path) == []


def test_no_file_may_grow_in_the_middle_of_a_restore(
    archive: Path, console: Console, system: Installation
) -> None:
    ended = tenant_with_limit("restore", str(archive), *_RESTORE)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == (
        "CommandError: A file could not be written: File too large."
    )
    assert leftovers(system) == []
    assert console.run("restore", str(archive), *_RESTORE).code == 0


@pytest.mark.parametrize(
    "change",
    [
        "INSERT ON fleet_schemaversion",
        "INSERT ON accounts_usertenantrole",
        "INSERT ON portfolio_vendor",
        "UPDATE ON tenants_tenant WHEN NEW.state = 'ACTIVE'",
    ],
)
def test_the_database_refuses_on_the_way(
    archive: Path, console: Console, system: Installation, change: str
) -> None:
    with refusing(system, change):
        ended = console.run("restore", str(archive), *_RESTORE)

    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[-1] == "The database refused the restore: no space"
    assert leftovers(system) == []
    assert console.run("restore", str(archive), *_RESTORE).code == 0


def test_what_cannot_be_taken_back_either_is_said_and_not_served(
    archive: Path, console: Console, system: Installation
) -> None:
    with refusing(system, "INSERT ON accounts_usertenantrole", "DELETE ON tenants_tenant"):
        ended = console.run("restore", str(archive), *_RESTORE)

    assert ended.code == 1
    assert ended.err.splitlines()[-1] == (
        "no space. What was begun could not be removed either (no space): it is not served;"
        " remove it by `tenant undo-failed copy`."
    )
    half = selectors.get_tenant(slug="copy")
    assert half.state == "FAILED"
    assert Api(half.identity, password=None, role=None).get("vendors/").status_code == 503
    assert console.run("undo-failed", "copy").code == 0
    assert leftovers(system) == []


def test_a_name_whose_schema_is_another_tenants_stays_free(
    archive: Path, console: Console, system: Installation
) -> None:
    """The schema keeps its name when its tenant is renamed: nobody may be restored into it, or drop it."""
    assert console.run("restore", str(archive), *_RESTORE).code == 0
    assert console.run("rename", "copy", "renamed").code == 0

    ended = console.run("restore", str(archive), *_RESTORE)

    assert (ended.code, ended.out) == (1, "")
    renamed = selectors.get_tenant(slug="renamed").identity
    assert renamed.schema == "t_copy"
    client = Api(renamed)
    client.sign_in("admin@acme.example", system.password)
    vendors = client.get("vendors/").json()["results"]
    assert [vendor["name"] for vendor in vendors] == ["Nordwind"]


def test_a_schema_that_is_somebody_elses_is_left_alone(
    archive: Path, console: Console, system: Installation
) -> None:
    from django.conf import settings
    from psycopg import connect

    database = settings.DATABASES["default"]["NAME"]
    with connect(settings.ADMIN_DATABASE_URL, dbname=database, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA t_copy CREATE TABLE theirs (id int)")
        try:
            ended = console.run("restore", str(archive), *_RESTORE)
            row = admin.execute("SELECT count(*) FROM t_copy.theirs").fetchone()
        finally:
            admin.execute("DROP SCHEMA t_copy CASCADE")

    assert (ended.code, ended.out) == (1, "")
    assert "belongs to somebody else" in ended.err
    assert row == (0,)
    assert leftovers(system) == []


def test_a_process_that_does_not_know_where_files_are_does_nothing_with_tenants(
    archive: Path, console: Console, system: Installation, tmp_path: Path
) -> None:
    """A backup without the files would be taken for a whole one."""
    backup = str(tmp_path / "backup")
    with override_settings(MEDIA_ROOT=""):
        for arguments in (
            ["export", "acme", "-o", backup],
            ["restore", str(archive), *_RESTORE],
            ["delete", "acme", "--now", "--confirm", "acme", "--backup", backup],
            ["clone", "acme", "copy"],
        ):
            ended = console.run(*arguments)
            assert (ended.code, ended.out) == (1, ""), arguments
            assert "FILES_ROOT is not set" in ended.err, arguments
    assert leftovers(system) == []
    assert selectors.get_tenant(slug="acme").state == "ACTIVE"
    assert os.listdir(tmp_path) == ["acme.tar.gz"]
