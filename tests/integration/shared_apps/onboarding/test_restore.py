"""A tenant from its archive: all of it, under any name, or nothing."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection

from shared_apps.accounts import custom_roles, disabling
from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Permission
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import services as fleet
from shared_apps.onboarding import services
from shared_apps.onboarding.archive import loading
from shared_apps.portfolio.models import Invoice as Gathered
from shared_apps.tenants import selectors
from tests import tenant_files
from tests.archives import members, plain, rewrite, vouched
from tests.client import Api
from tests.fleet import of_a_test
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant
from tests.people import make_person
from tests.tenant_contents import rows


@pytest.fixture
def initech(console: Console, system: Installation, api: Callable[..., Api]) -> TenantIdentity:
    """A tenant with demonstration invoices, issued ones among them, and a file."""
    console.declare(tenant("initech", setup="[dev_demo_data]"))
    applied = console.apply()
    assert applied.code == 0, applied.err
    made = selectors.get_tenant(slug="initech").identity
    tenant_files.save(made, "reports/2026/ä.txt", b"one\ntwo")
    system.relay()
    return made


@pytest.fixture
def archive(initech: TenantIdentity, tmp_path: Path) -> Path:
    path = tmp_path / "initech.tar.gz"
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(slug="initech", path=path, at=datetime.now(UTC))
    return path


def triggers(system: Installation, schema: str) -> list[Any]:
    with system.owner() as owner:
        return owner.execute(
            "SELECT c.relname, t.tgname, t.tgenabled FROM pg_trigger t JOIN pg_class c"
            " ON c.oid = t.tgrelid WHERE c.relnamespace = %s::regnamespace AND NOT tgisinternal"
            " ORDER BY 1, 2", [schema],
        ).fetchall()  # fmt: skip


def nothing_is_left(system: Installation, slug: str = "initech2") -> bool:
    with system.owner() as owner:
        row = owner.execute(
            "SELECT 1 FROM pg_namespace WHERE nspname = %(schema)s UNION"
            " SELECT 1 FROM pg_roles WHERE rolname LIKE %(role)s UNION"
            " SELECT 1 FROM tenants_tenant WHERE slug = %(slug)s UNION"
            " SELECT 1 FROM tenants_domain WHERE domain = %(domain)s UNION"
            " SELECT 1 FROM fleet_schemaversion WHERE schema_name = %(schema)s",
            {"schema": f"t_{slug}", "role": f"%\\_t\\_{slug}", "slug": slug,
             "domain": f"{slug}.localhost"},
        ).fetchone()  # fmt: skip
    return row is None


def restore(console: Console, path: Path) -> Any:
    return console.run(
        "restore", str(path), "--as", "initech2", "--domain", "initech2.localhost", "--json"
    )


def test_another_name_has_the_same_rows_files_and_people(
    initech: TenantIdentity, archive: Path, console: Console, system: Installation,
    api: Callable[..., Api],
) -> None:  # fmt: skip
    ended = restore(console, archive)

    assert ended.code == 0, ended.err
    assert (ended.json["state"], ended.json["domains"]) == ("active", ["initech2.localhost"])
    copy = selectors.get_tenant(slug="initech2").identity
    assert copy.id != initech.id
    original = rows(system, initech.schema)
    assert sum(map(len, original.values())) > 10
    assert any("ISSUED" in row for row in original["invoicing_invoice"])
    assert rows(system, copy.schema) == original
    assert triggers(system, copy.schema) == triggers(system, initech.schema)
    assert tenant_files.read(copy, "reports/2026/ä.txt") == b"one\ntwo"
    with context.operator():
        assert fleet.find_breaches() == []
        gathered = Gathered.objects.filter(tenant_id=copy.id).count()
        assert gathered == Gathered.objects.filter(tenant_id=initech.id).count() > 0
    with system.owner() as owner:
        members_of = "SELECT user_id, role FROM accounts_usertenantrole WHERE tenant_id = %s"
        assert set(owner.execute(members_of, [copy.id])) == set(
            owner.execute(members_of, [initech.id])
        )


def test_the_trail_says_restored_once_and_goes_on(
    archive: Path, console: Console, system: Installation
) -> None:
    assert restore(console, archive).code == 0
    copy = selectors.get_tenant(slug="initech2").identity
    with context.tenant(copy), connection.cursor() as cursor:
        cursor.execute("UPDATE invoicing_vendor SET name = name || '!'")
        changed = cursor.rowcount
    system.relay()

    entries = list_entries(tenant_id=copy.id, where=EntryFilter(), limit=1000)

    of_rows = [entry for entry in entries if entry.entity_type.startswith("invoicing.")]
    assert [entry.operation for entry in of_rows] == ["UPDATE"] * changed
    restored = [entry for entry in entries if entry.entity_type == loading.RESTORED]
    assert len(restored) == 1
    assert json.loads(restored[0].new_values or "")["rows"]["invoicing_vendor"] == changed


def test_a_deleted_tenant_comes_back_from_its_backup(
    initech: TenantIdentity, console: Console, system: Installation, tmp_path: Path
) -> None:
    before = rows(system, initech.schema)
    backup = str(tmp_path / "backup.tar.gz")
    now = ["--now", "--confirm", "initech", "--backup", backup]
    assert console.run("delete", "initech", *now).code == 0

    ended = console.run("restore", backup, "--json")

    assert ended.code == 0, ended.err
    assert ended.json["state"] == "active"
    assert ended.json["id"] != str(initech.id)
    assert rows(system, initech.schema) == before
    console.declare(tenant("initech", setup="[dev_demo_data]"))
    assert "no changes" in console.plan().out.lower(), "it is not filled a second time"


def test_who_is_gone_gets_an_account_without_password(
    initech: TenantIdentity, archive: Path, console: Console, system: Installation
) -> None:
    with system.owner() as owner:
        was = owner.execute(
            "SELECT id FROM accounts_user WHERE email = 'admin@initech.example'"
        ).fetchone()
        owner.execute("DELETE FROM accounts_usertenantrole WHERE user_id = %s", was)
        owner.execute("DELETE FROM accounts_user WHERE id = %s", was)
    assert restore(console, archive).code == 0
    with system.owner() as owner:
        row = owner.execute(
            "SELECT id, password FROM accounts_user WHERE email = 'admin@initech.example'"
        ).fetchone()
    assert row is not None
    assert was is not None
    assert row[0] == was[0]
    assert row[1].startswith("!")


def test_never_onto_a_tenant_that_is_there(
    initech: TenantIdentity, archive: Path, console: Console, system: Installation
) -> None:
    before = rows(system, initech.schema)
    assert console.run("restore", str(archive)).code == 1
    assert console.run("restore", str(archive), "--as", "initech2").code == 1, "without a domain"
    for state in ("suspend", "archive"):
        assert console.run(state, "initech", "--reason", "Test.").code == 0
        assert console.run("restore", str(archive)).code == 1
    taken = console.run("restore", str(archive), "--as", "initech2", "--domain", "acme.localhost")
    assert taken.code == 1
    assert rows(system, initech.schema) == before
    assert nothing_is_left(system)


def test_rows_that_break_a_key_are_refused_as_a_whole(
    archive: Path, console: Console, system: Installation
) -> None:
    """Triggers rest while rows are copied; keys do not."""
    contents = vouched({**members(archive), "tables/invoicing_vendor": b""})

    ended = restore(console, rewrite(archive, plain(contents)))

    assert ended.code == 1
    assert "violates foreign key" in ended.err
    assert nothing_is_left(system)


def test_a_copy_goes_on_by_itself(
    acme: TenantIdentity, api: Callable[..., Api], console: Console, system: Installation,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Numbers without a gap on both sides; addresses, tokens and cached things stay where they were made."""
    editor = api(acme, "editor")
    vendor = editor.post("vendors/", {"name": "Nordwind"}).json()["id"]
    assert [issue(editor, vendor) for _ in range(3)] == [1, 2, 3]
    tenant_files.save(acme, "a.txt", b"acme's")
    link = tenant_files.address(acme, "a.txt")
    with context.tenant(acme):
        cache.set("cover", "acme's")
    system.relay()
    path = tmp_path / "acme.tar.gz"
    assert console.run("export", "acme", "-o", str(path)).code == 0
    assert issue(editor, vendor) == 4

    assert restore(console, path).code == 0

    copy = selectors.get_tenant(slug="initech2").identity
    host = {"host": "initech2.localhost"}
    assert Api(copy).http.get(link, headers=host).status_code == 403
    own = Api(copy).http.get(tenant_files.address(copy, "a.txt"), headers=host)
    assert own.getvalue() == b"acme's"  # type: ignore[attr-defined]  # a stream
    with context.tenant(copy):
        assert cache.get("cover") is None
    token = Api(copy)
    token.headers = editor.headers
    assert token.get("vendors/").status_code == 401
    there = Api(copy)
    there.sign_in("editor@acme.example", system.password)
    assert [issue(there, vendor), issue(editor, vendor), issue(there, vendor)] == [4, 5, 5]


def issue(client: Api, vendor: str) -> int:
    item = {"description": "Paper", "quantity": "1", "unit_price": "10.50", "tax_rate": "0.19"}
    draft = client.post("invoices/", {"vendor": vendor, "currency": "EUR", "items": [item]}).json()
    return int(client.post(f"invoices/{draft['id']}/issue/", {}).json()["number"])


def test_what_the_database_numbers_goes_on_too(
    initech: TenantIdentity, console: Console, system: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "numbered.tar.gz"
    with of_a_test(system, tmp_path) as fleet:
        fleet.release(
            _0004_table="""
operations = [migrations.CreateModel("Fresh", [("id", models.AutoField(primary_key=True)), ("name", models.TextField())])]
"""
        )
        assert fleet.migrate()["exit"] == ""
        insert = "INSERT INTO invoicing_fresh (name) VALUES ('x'), ('y') RETURNING id"
        assert fleet.execute(initech, insert) == [(1,), (2,)]
        fleet.execute(initech, "DELETE FROM invoicing_fresh WHERE id = 2")
        console.run("export", "initech", "-o", str(path))

        ended = restore(console, path)

        assert ended.code == 0, ended.err
        copy = selectors.get_tenant(slug="initech2").identity
        assert rows(system, copy.schema) == rows(system, initech.schema)
        assert fleet.execute(copy, insert) == [(3,), (4,)]


def test_roles_of_its_own_come_back_and_neither_deleted_nor_disabled_ones_are_revived(
    acme: TenantIdentity, initech: TenantIdentity, console: Console, tmp_path: Path
) -> None:
    at = datetime.now(UTC)
    make = {"tenant_id": initech.id, "by": None, "at": at}
    gone = custom_roles.create_role(name="clerk", permissions=list(Permission), **make)
    deprived, clerk, disabled = (make_person(initech, "viewer") for _ in range(3))
    change = partial(accounts.change_role, tenant_id=initech.id, by=None)
    change(user_id=deprived.id, role="clerk")
    custom_roles.delete_role(tenant_id=initech.id, role_id=gone.id, by=None, force=True)
    custom_roles.create_role(name="clerk", permissions=[Permission.WRITE], **make)
    custom_roles.create_role(name="unused", permissions=[Permission.READ], **make)
    change(user_id=clerk.id, role="clerk")
    disabling.disable_member(tenant_id=initech.id, user_id=disabled.id, by=None)
    path = tmp_path / "initech.tar.gz"
    with context.operator(), attribution.acting(attribution.command("test")):
        services.export_tenant(slug="initech", path=path, at=at)

    ended = restore(console, path)

    assert ended.code == 0, ended.err
    copy = selectors.get_tenant(slug="initech2").identity
    found = {
        person.id: people.get_member(tenant_id=copy.id, user_id=person.id)
        for person in (deprived, clerk, disabled)
    }
    assert [
        (member.role, member.permissions, member.is_active) for member in found.values()
    ] == [
        ("deleted", frozenset(), True),
        ("clerk", {Permission.WRITE}, True),
        ("viewer", {Permission.READ}, False),
    ]  # fmt: skip
    with context.operator():
        roles = people.list_custom_roles(tenant_id=copy.id).values_list("name", "permissions")
        assert list(roles) == [("clerk", ["write"]), ("unused", ["read"])]
        assert not people.list_custom_roles(tenant_id=acme.id).exists()
