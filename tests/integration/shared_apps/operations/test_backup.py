"""Backups of the whole installation: whole or not there, refused where they do not fit, restored as they were."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections
from django.test import override_settings
from django.utils import timezone
from psycopg import conninfo, sql

from scripts.stack.paths import ROOT
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.operations.backup import making, manifest, sources
from shared_apps.operations.backup.manifest import Manifest
from shared_apps.operations.errors import BackupError
from tests.client import Api
from tests.installation import Installation
from tests.integration.shared_apps.operations.console import run
from tests.relaying import running_relay
from tests.tenant_writers import make_vendor, writing
from tests.waiting import wait_until


def vendors(tenant: TenantIdentity) -> list[str]:
    from tenant_apps.invoicing.models import Vendor

    with context.tenant(tenant):
        return list(Vendor.objects.order_by("name").values_list("name", flat=True))


def entries_of_vendors(tenant: TenantIdentity) -> int:
    with psycopg.connect(settings.AUDIT_MIGRATION_DATABASE_URL) as owner:
        row = owner.execute(
            "SELECT count(*) FROM audit.entry WHERE tenant_id = %s AND entity_type = 'invoicing.vendor'",
            [tenant.id],
        ).fetchone()
        return row[0] if row else 0


def databases_of(url: str) -> set[str]:
    with psycopg.connect(url) as admin:
        prefix = settings.DATABASES["default"]["NAME"]
        rows = admin.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix]
        )
        return {row[0] for row in rows}


def databases() -> set[str]:
    """Of the installation, on one server or on two."""
    return databases_of(settings.ADMIN_DATABASE_URL) | databases_of(
        settings.AUDIT_ADMIN_DATABASE_URL
    )


def own_databases() -> set[str]:
    return {source.database for source in sources.both()}


def rewrite(backup: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Somebody edits the manifest and the sums with it."""
    path = backup / manifest.NAME
    raw = json.loads(path.read_text())
    change(raw)
    path.write_text(json.dumps(raw))
    sums = backup / manifest.SUMS
    kept = [line for line in sums.read_text().splitlines() if not line.endswith(manifest.NAME)]
    own = f"{manifest.member_of(path).sha256}  {manifest.NAME}"
    sums.write_text("\n".join([*kept, own]) + "\n")


@pytest.fixture
def without_former(system: Installation) -> Any:
    """Databases that a restore has put aside go; sessions begin anew."""
    yield
    connections.close_all()
    for url in (settings.ADMIN_DATABASE_URL, settings.AUDIT_ADMIN_DATABASE_URL):
        with psycopg.connect(url, autocommit=True) as admin:
            for name in databases_of(url) - own_databases():
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def test_what_a_backup_says_of_itself(backup: Path, system: Installation) -> None:
    stated = Manifest.read(backup)

    assert [tenant.slug for tenant in stated.tenants] == ["acme", "globex"]
    assert stated.application.contents["t_acme"]["invoicing_vendor"][0] == 1
    assert stated.application.contents["t_globex"]["audit_outbox"][0] == 1
    assert stated.files == {f"tenant-{system.tenants['acme'].id.hex}": 1}
    assert {tenant.role for tenant in system.tenants.values()} <= set(stated.roles)
    assert subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=backup).returncode == 0
    assert backup.stat().st_mode & 0o077 == 0
    for path in backup.iterdir():
        for secret in (settings.SECRET_KEY, settings.DATABASES["default"]["PASSWORD"]):
            assert secret.encode() not in path.read_bytes(), path


def test_a_drill_restores_beside_and_compares(backup: Path, system: Installation) -> None:
    done = run("installation", "drill", str(backup.parent), "--json")

    said = done.json
    assert (said["differences"], said["failure"], said["broken_chains"]) == ([], "", [])
    assert (done.code, said["ok"]) == (0, True)
    assert said["tenants"] == 2
    assert said["entries"] > 0
    assert len(said["scratch"]) == 2
    assert databases() == own_databases()


def test_a_drill_finds_what_is_missing_and_cleans_up(backup: Path, system: Installation) -> None:
    def lose(raw: dict[str, Any]) -> None:
        tables = raw["application"]["contents"]["t_acme"]
        tables["invoicing_vendor"] = [2, tables["invoicing_vendor"][1]]
        tables = raw["application"]["contents"]["t_globex"]
        tables["invoicing_vendor"] = [1, "12345"]

    rewrite(backup, lose)

    done = run("installation", "drill", str(backup), "--json")

    assert done.code == 1
    assert done.json["differences"] == [
        "application: t_acme.invoicing_vendor: has 1 rows instead of 2",
        "application: t_globex.invoicing_vendor: has other values in its 1 rows",
    ]
    assert databases() == own_databases()


def test_a_drill_of_a_dump_that_cannot_be_restored(backup: Path, system: Installation) -> None:
    """Also where a role is gone meanwhile: it is made for the drill, and gone with it."""

    def swap(raw: dict[str, Any]) -> None:
        raw["application"]["dumps"] += raw["application"]["dumps"][1:]
        raw["roles"].append("test_gone_role")

    rewrite(backup, swap)

    done = run("installation", "drill", str(backup), "--json")

    assert (done.code, done.json["ok"]) == (1, False)
    assert "pg_restore" in done.json["failure"]
    assert databases() == own_databases()
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        query = "SELECT count(*) FROM pg_roles WHERE rolname = 'test_gone_role'"
        assert admin.execute(query).fetchone() == (0,)


def test_everything_is_destroyed_and_restored(
    backup: Path, system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    without_former: None,
) -> None:  # fmt: skip
    entries = {tenant.slug: entries_of_vendors(tenant) for tenant in (acme, globex)}
    connections.close_all()
    system.drop()

    done = run("installation", "restore", str(backup), "--json")

    assert done.code == 0, done.err
    assert done.json["former"] == []
    assert (vendors(acme), vendors(globex)) == (["Paper AG"], ["Stone AG"])
    # The outbox came along: its change is moved now, and everything that was moved before is there once.
    system.relay()
    assert {tenant.slug: entries_of_vendors(tenant) for tenant in (acme, globex)} == entries
    assert run("audit", "verify").code == 0
    assert run("doctor").code == 0, run("doctor").out
    assert run("fleet", "drift").code == 0, run("fleet", "drift").out
    for tenant in (acme, globex):
        assert (
            Api(tenant, password=system.password, role="admin").get("vendors/").status_code == 200
        )
    from django.core.files.storage import default_storage

    with context.tenant(acme), default_storage.open("plans/house.txt") as file:
        assert file.read() == b"four walls"
    assert databases() == own_databases()


def test_what_is_there_is_replaced_only_when_told(
    backup: Path, system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    without_former: None,
) -> None:  # fmt: skip
    make_vendor(acme, "Later AG")
    later = f"{settings.DATABASES['default']['NAME']}_t_later"
    with system.owner() as owner:
        owner.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(later)))
        owner.execute(sql.SQL("GRANT USAGE ON SCHEMA t_acme TO {}").format(sql.Identifier(later)))

    refused = run("installation", "restore", str(backup))
    unasked = run("installation", "restore", str(backup), "--replace")

    assert (refused.code, unasked.code) == (1, 1)
    assert "The installation is not empty (2 tenants, " in refused.err
    assert "say --yes as well" in unasked.err
    assert vendors(acme) == ["Later AG"]

    done = run("installation", "restore", str(backup), "--replace", "--yes", "--json")

    assert done.code == 0, done.err
    assert (vendors(acme), vendors(globex)) == (["Paper AG"], ["Stone AG"])
    assert set(done.json["former"]) == databases() - own_databases()
    assert len(done.json["former"]) == 2
    # Whatever depended on roles in there: one of a tenant that came later is gone, others can be dropped.
    inside = conninfo.make_conninfo(
        settings.ADMIN_DATABASE_URL, dbname=settings.DATABASES["default"]["NAME"]
    )
    with psycopg.connect(inside) as admin:
        gone = admin.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [later]).fetchone()
        admin.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(acme.role)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(acme.role)))
        admin.rollback()
    assert gone == (0,)
    # What was there is kept, and nobody but a superuser gets into it.
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(
            conninfo.make_conninfo(settings.RELAY_DATABASE_URL, dbname=done.json["former"][0])
        )


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("manifest", "There is no whole backup in"),
        ("member", "lacks application-0001.dump"),
        ("bit", "its checksum is wrong"),
        ("strange", "holds strange.txt"),
        ("edited", "manifest.json is not what was written"),
        ("climbing", "names a file that no backup holds"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused(
    backup: Path, system: Installation, what: str, message: str
) -> None:
    match what:
        case "manifest":
            (backup / manifest.NAME).unlink()
        case "member":
            (backup / "application-0001.dump").unlink()
        case "bit":
            content = bytearray((backup / "audit-0001.dump").read_bytes())
            content[len(content) // 2] ^= 1
            (backup / "audit-0001.dump").write_bytes(content)
        case "strange":
            (backup / "strange.txt").write_text("")
        case "edited":
            path = backup / manifest.NAME
            path.write_text(path.read_text().replace('"acme"', '"acne"'))
        case "climbing":
            rewrite(backup, lambda raw: raw["members"].update({"../x": {"size": 1, "sha256": ""}}))

    for action in ("verify", "drill", "restore"):
        done = run("installation", action, str(backup if what != "manifest" else backup.parent))
        assert (done.code, message in done.err) == (1, True), done.err


def test_another_version_other_keys_and_other_names_are_refused(
    backup: Path, system: Installation
) -> None:
    before = databases()

    def refusal() -> str:
        done = run("installation", "restore", str(backup), "--replace", "--yes")
        assert done.code == 1
        return done.err.splitlines()[-1]

    rewrite(backup, lambda raw: raw.update(version="0.0.9"))
    assert "made by version 0.0.9, this is" in refusal()
    rewrite(backup, lambda raw: raw.update(version="0.1.0", fingerprint="f" * 64))
    assert "with other migrations" in refusal()
    own = Manifest.read(backup)
    rewrite(backup, lambda raw: raw.update(fingerprint=_fingerprint(), keys={"SECRET_KEY": ["00"]}))
    assert "SECRET_KEY lack secrets" in refusal()
    rewrite(backup, lambda raw: raw.update(keys=dict(own.keys), logins={"DATABASE_URL": "else"}))
    assert "an installation with other names: DATABASE_URL (else, here" in refusal()
    assert databases() == before


def _fingerprint() -> str:
    from shared_apps.fleet import selectors

    return selectors.get_target().fingerprint


def test_a_changed_definition_and_a_full_disk_leave_nothing(
    tmp_path: Path, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    changed = []

    def migrate(line: str) -> None:
        if not changed:
            changed.append(line)
            with system.owner() as owner:
                owner.execute("ALTER TABLE t_globex.invoicing_vendor ADD COLUMN odd text")

    try:
        with context.operator(), pytest.raises(BackupError, match="t_globex: a migration"):
            making.make_backup(tmp_path, at=timezone.now(), report=migrate)
    finally:
        with system.owner() as owner:
            owner.execute("ALTER TABLE t_globex.invoicing_vendor DROP COLUMN odd")
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]

    with override_settings(POSTGRES_BIN_DIR="/nowhere"):
        done = run("installation", "backup", str(tmp_path))
    assert (done.code, "is not in POSTGRES_BIN_DIR (/nowhere)" in done.err) == (1, True)
    with override_settings(MEDIA_ROOT=""):
        assert run("installation", "backup", str(tmp_path)).code == 1
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_one_that_was_killed_is_none_and_the_next_removes_it(
    tmp_path: Path, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    killed = subprocess.Popen(
        [sys.executable, "manage.py", "installation", "backup", str(tmp_path)], cwd=ROOT,
        env=os.environ.copy(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_until(lambda: any(tmp_path.glob("*.part/*.dump")), "a dump is begun", timeout=60)
    busy = run("installation", "backup", str(tmp_path))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert (busy.code, "Another backup is being made" in busy.err) == (1, True)
    assert run("installation", "verify", str(tmp_path)).code == 1
    assert len(list(tmp_path.glob("*.part"))) == 1

    for _ in range(2):
        begun = int(time.time())
        done = run("installation", "backup", str(tmp_path), "--keep", "1", "--json")
        assert done.code == 0, done.err
        wait_until(lambda: int(time.time()) > begun, "another second, which names the next one")  # noqa: B023  # in this turn

    assert list(tmp_path.glob("*.part")) == []
    assert [str(path) for path in tmp_path.glob("*Z")] == [done.json["path"]]
    assert len(done.json["removed"]) == 1


def test_while_relay_and_tenants_are_at_work(
    tmp_path: Path, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with running_relay(), writing(acme) as of_acme, writing(globex) as of_globex:
        wait_until(lambda: min(len(of_acme), len(of_globex)) > 5, "both write", timeout=60)
        done = run("installation", "backup", str(tmp_path), "--json")
        assert done.code == 0, done.err
    stated = Manifest.read(Path(done.json["path"]))
    assert stated.application.contents["t_acme"]["invoicing_vendor"][0] > 5

    drilled = run("installation", "drill", str(tmp_path), "--json")

    assert (drilled.code, drilled.json["differences"]) == (0, [])


def test_a_cluster_of_citus_is_not_backed_up_like_this(
    tmp_path: Path, system: Installation
) -> None:
    with override_settings(DATABASE_SHARDING="citus"):
        assert run("installation", "backup", str(tmp_path)).code == 1
