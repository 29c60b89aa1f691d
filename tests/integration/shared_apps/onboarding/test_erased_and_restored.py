"""An archive of before an erasure does not bring the person back; one of after it keeps whom it has."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.archive import loading
from shared_apps.onboarding.archive.manifest import AUDIT
from shared_apps.onboarding.models import Erasure
from shared_apps.tenants import selectors
from tenant_apps.invoicing.models import Vendor
from tests.archives import members as contents_of
from tests.archives import plain, rewrite
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Console, Ended
from tests.integration.shared_apps.onboarding.erasing import (
    NAME,
    Everywhere,
    erase,
    everything_holding,
    make_person_everywhere,
    make_vendor,
)
from tests.people import add_role

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def person(console: Console, acme: TenantIdentity, globex: TenantIdentity) -> Everywhere:
    return make_person_everywhere(acme, globex)


def export(console: Console, path: Path) -> Path:
    ended = console.run("export", "acme", "-o", str(path))
    assert ended.code == 0, ended.err
    return path


def restore(console: Console, path: Path, *more: str) -> Ended:
    return console.run("restore", str(path), "--as", "acme2", "--domain", "acme2.localhost", *more)


def members(slug: str) -> set[str]:
    tenant = selectors.get_tenant(slug=slug)
    with context.operator():
        return set(tenant.user_roles.values_list("user__email", flat=True))


def vendors(slug: str) -> dict[Any, tuple[str, str]]:
    with context.tenant(selectors.get_tenant(slug=slug).identity):
        return {
            key: (name, email)
            for key, name, email in Vendor.objects.values_list("id", "name", "email")
        }


def test_an_older_archive_leaves_the_person_out(
    person: Everywhere, console: Console, acme: TenantIdentity, system: Installation, tmp_path: Path,
) -> None:  # fmt: skip
    namesake = make_vendor(acme, f"jo{person.email}", NAME)
    archive = export(console, tmp_path / "acme.tar.gz")
    assert erase(person.email, "--yes").code == 0

    ended = restore(console, archive)

    assert ended.code == 0, ended.err
    assert "left out: 1 people" in ended.err
    assert "1 rows of invoicing_vendor emptied" in ended.err
    assert members("acme2") == {f"{role}@acme.example" for role in ("admin", "editor", "viewer")}
    assert vendors("acme2") == {person.vendor: (NAME, ""), namesake: (NAME, f"jo{person.email}")}
    found = everything_holding(system, person.email)
    assert found == ["t_acme.invoicing_vendor", "t_acme2.invoicing_vendor"], "the namesake's"
    system.relay()
    copy = selectors.get_tenant(slug="acme2").identity
    entries = list_entries(tenant_id=copy.id, where=EntryFilter(), limit=500)
    assert not [e for e in entries if person.email in f"{e.old_values}{e.new_values}".lower()]
    (said,) = [e for e in entries if e.entity_type == loading.RESTORED]
    left_out = json.loads(said.new_values or "")["left_out"]
    assert [line["rows"] for line in left_out if line["action"] == "emptied"] == [1]
    again = {"email": person.email, "password": PASSWORD}
    assert Api(copy).post("auth/login/", again).status_code == 401


def test_an_archive_holds_the_trail_as_it_is_stored_and_no_key(
    person: Everywhere, console: Console, system: Installation, tmp_path: Path
) -> None:
    """So that an erasure reaches the trail of every archive."""
    system.relay()
    trail = contents_of(export(console, tmp_path / "acme.tar.gz"))[AUDIT].decode()
    entries = {
        entry["uid"]: entry for entry in map(json.loads, trail.splitlines())
        if entry["record_id"] == str(person.vendor)
    }  # fmt: skip
    assert person.email not in trail.lower()
    assert ['"sealed"' in entry["new_values"] for entry in entries.values()] == [True]


def test_who_has_the_address_now_is_not_given_the_role_of_who_had_it(
    person: Everywhere, console: Console, globex: TenantIdentity, tmp_path: Path
) -> None:
    archive = export(console, tmp_path / "acme.tar.gz")
    assert erase(person.email, "--yes").code == 0
    accounts.create_person(
        tenant_id=globex.id, email=person.email, name="", role=Role.VIEWER, password=PASSWORD,
        by=None, at=NOW,
    )  # fmt: skip
    assert restore(console, archive).code == 0
    assert person.email not in members("acme2")
    assert person.email in members("globex")


def test_a_newer_archive_keeps_whom_it_has(
    person: Everywhere, console: Console, acme: TenantIdentity, tmp_path: Path
) -> None:
    assert erase(person.email, "--yes").code == 0
    accounts.create_person(
        tenant_id=acme.id, email=person.email, name="", role=Role.VIEWER, password=PASSWORD,
        by=None, at=NOW,
    )  # fmt: skip
    vendor = make_vendor(acme, person.email)
    archive = export(console, tmp_path / "acme.tar.gz")

    ended = restore(console, archive)

    assert ended.code == 0, ended.err
    assert "left out" not in ended.err
    assert person.email in members("acme2")
    assert vendors("acme2")[vendor] == ("Nordwind", person.email)


def test_somebody_without_an_account_does_not_come_back_either(
    console: Console, acme: TenantIdentity, tmp_path: Path
) -> None:
    vendor = make_vendor(acme, "Contact@partner.example")
    archive = export(console, tmp_path / "acme.tar.gz")
    assert erase("contact@partner.example", "--yes").code == 0
    assert restore(console, archive).code == 0
    assert vendors("acme2") == {vendor: ("Nordwind", "")}


def test_the_tombstone_is_read_with_a_former_key_and_without_it_nothing_is_restored(
    person: Everywhere, console: Console, settings: Any, tmp_path: Path
) -> None:
    archive = export(console, tmp_path / "acme.tar.gz")
    assert erase(person.email, "--yes").code == 0
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another key, as after a rotation" * 2
    settings.SECRET_KEY_FALLBACKS = []

    refused = restore(console, archive)

    assert refused.code == 1
    assert "SECRET_KEY_FALLBACKS" in refused.err
    assert not selectors.is_registered(slug="acme2")
    settings.SECRET_KEY_FALLBACKS = [former]
    assert restore(console, archive).code == 0
    assert person.email not in members("acme2")
    assert vendors("acme2") == {person.vendor: (NAME, "")}
    settings.SECRET_KEY_FALLBACKS = []
    lost = ["--as", "acme3", "--domain", "acme3.localhost", "--despite-lost-key"]
    assert console.run("restore", str(archive), *lost).code == 0
    assert person.email not in members("acme3"), "known by the id of the account"


def test_the_tombstone_does_not_hold_the_address(person: Everywhere) -> None:
    assert erase(person.email, "--yes").code == 0
    with context.operator():
        row = Erasure.objects.values().get()
    assert person.email not in str(row)
    assert len(row["address_hash"]) == 64


def test_a_restore_waits_for_no_erasure_and_an_erasure_for_no_restore(
    person: Everywhere, console: Console, system: Installation, tmp_path: Path
) -> None:
    """Either could bring back what the other has just left out."""
    archive = export(console, tmp_path / "acme.tar.gz")
    take = sql.SQL("SELECT {}(hashtext('freehold.erasure'), 0)")
    with system.owner() as other:
        other.execute(take.format(sql.Identifier("pg_advisory_lock_shared")))  # a restore
        assert erase(person.email, "--yes").code == 1
        assert person.at_acme.get("auth/user/").status_code == 200
    with system.owner() as other:
        other.execute(take.format(sql.Identifier("pg_advisory_lock")))  # an erasure
        assert restore(console, archive).code == 1
        assert not selectors.is_registered(slug="acme2")
    assert restore(console, archive).code == 0


def test_an_archive_that_lies_about_its_age_is_refused(
    person: Everywhere, console: Console, tmp_path: Path
) -> None:

    archive = export(console, tmp_path / "acme.tar.gz")
    for age in ("yesterday", "2026-01-01T00:00:00"):
        contents = contents_of(archive)
        manifest = json.loads(contents["manifest.json"])
        manifest["exported_at"] = age
        contents["manifest.json"] = json.dumps(manifest).encode()
        assert restore(console, rewrite(archive, plain(contents))).code == 1
        assert not selectors.is_registered(slug="acme2")


def test_the_last_administrator_of_an_archive_is_missed(
    console: Console, acme: TenantIdentity, globex: TenantIdentity, tmp_path: Path
) -> None:
    """Said, because the tenant is served and nobody can let anybody in."""
    from tests.people import make_person

    boss = make_person(globex, "admin")
    add_role(boss, acme, "admin")
    with context.operator():
        others = selectors.get_tenant(slug="acme").user_roles.exclude(user_id=boss.id)
        kept = list(others.values())
        others.filter(role=Role.ADMIN).delete()
    try:
        archive = export(console, tmp_path / "acme.tar.gz")
        assert erase(boss.email, "--yes").code == 1
        assert erase(boss.email, "--yes", "--allow-orphaned", "acme").code == 0
        ended = restore(console, archive)
    finally:
        from shared_apps.accounts.models import UserTenantRole

        with context.operator():
            for row in kept:
                UserTenantRole.objects.update_or_create(id=row.pop("id"), defaults=row)
    assert ended.code == 0, ended.err
    assert "nobody administers the tenant" in ended.err


def test_no_later_moment_brings_back_what_was_erased_after_it(
    person: Everywhere, console: Console, acme: TenantIdentity, system: Installation, tmp_path: Path,
) -> None:  # fmt: skip
    system.relay()
    archive = export(console, tmp_path / "acme.tar.gz")
    later = make_vendor(acme, person.email, "Entered after the archive")
    before_erasure = datetime.now(UTC).isoformat()
    assert erase(person.email, "--yes").code == 0
    somebody_elses = make_vendor(acme, person.email, "Of who has the address now")
    system.relay()
    after_erasure = datetime.now(UTC).isoformat()

    assert restore(console, archive, "--until", before_erasure).code == 0

    assert vendors("acme2") == {person.vendor: (NAME, ""), later: ("Entered after the archive", "")}
    assert person.email not in members("acme2")
    ended = console.run(
        "restore", str(archive), "--as", "acme3", "--domain", "acme3.localhost",
        "--until", after_erasure,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert vendors("acme3") == {
        person.vendor: (NAME, ""),
        later: ("Entered after the archive", ""),
        somebody_elses: ("Of who has the address now", person.email),
    }
    assert person.email not in members("acme3")
