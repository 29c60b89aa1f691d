"""The end of a tenant: date and backup first, then nothing is left but its trail."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connections
from psycopg import sql

from config.celery import app
from config.settings.celery import CELERY_TASK_ROUTES as production_routes
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding import schemas, services
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.services import TenantRequest, create_tenant
from shared_apps.tenants import selectors
from shared_apps.tenants.models import Domain, Tenant
from tests import tenant_files
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.console import Console

LATER = timedelta(days=31)


@pytest.fixture
def initech(made: None, system: Installation, api: Callable[..., Api]) -> TenantIdentity:
    """A tenant with a vendor, a file, something in the cache, and its changes in the trail."""
    tenant = make()
    assert api(tenant, "admin").post("vendors/", {"name": "Chotchkie's"}).status_code == 201
    tenant_files.save(tenant, "tps.txt")
    with context.tenant(tenant):
        cache.set("cover", "sheet")
    system.relay()
    return tenant


def make() -> TenantIdentity:
    request = TenantRequest(
        slug="initech", name="Initech", domains=("initech.localhost",),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator(), attribution.acting(attribution.command("test")):
        return create_tenant(request=request, at=datetime.now(UTC)).identity


def what_is_left(system: Installation, tenant: TenantIdentity) -> list[str]:
    left = []
    with system.owner() as owner:
        for what, query in {
            "schema": "SELECT 1 FROM pg_namespace WHERE nspname = %(schema)s",
            "role": "SELECT 1 FROM pg_roles WHERE rolname = %(role)s",
            "ledger": "SELECT 1 FROM fleet_schemaversion WHERE schema_name = %(schema)s",
            "row": "SELECT 1 FROM tenants_tenant WHERE id = %(id)s",
            "domain": "SELECT 1 FROM tenants_domain WHERE tenant_id = %(id)s",
            "session": "SELECT 1 FROM authn_session WHERE tenant_id = %(id)s",
            "member": "SELECT 1 FROM accounts_usertenantrole WHERE tenant_id = %(id)s",
        }.items():
            values = {"id": tenant.id, "schema": tenant.schema, "role": tenant.role}
            if owner.execute(query, values).fetchone():
                left.append(what)
    if (Path(settings.MEDIA_ROOT) / f"tenant-{tenant.id.hex}").exists():
        left.append("files")
    with context.tenant(tenant):
        left += ["cache"] if cache.get("cover") else []
    return left


def test_with_grace_it_is_turned_away_backed_up_and_kept(
    initech: TenantIdentity, api: Callable[..., Api], console: Console, system: Installation,
    tmp_path: Path,
) -> None:  # fmt: skip
    client = api(initech, "admin")
    backup = tmp_path / "initech.tar.gz"

    ended = console.run("delete", "initech", "--backup", str(backup), "--grace", "30d", "--json")

    assert ended.code == 0, ended.err
    assert ended.json["state"] == "archived"
    assert ended.json["delete_after"]
    assert verify(backup).tenant_id == str(initech.id)
    refused = client.get("vendors/")
    assert (refused.status_code, refused.json()["code"]) == (404, "tenants.gone")
    assert console.run("purge").out.strip() == "nothing to delete"
    assert console.run("delete", "initech", "--backup", str(backup)).code == 0, "again"
    assert {"schema", "role", "row", "files", "cache"} <= set(what_is_left(system, initech))

    assert console.run("suspend", "initech", "--reason", "Not yet.").code == 0
    assert console.run("resume", "initech", "--reason", "Stay.").code == 0
    assert client.get("vendors/").status_code == 401, "who was signed in signs in anew"
    assert len(api(initech, "admin").get("vendors/").json()["results"]) == 1
    with context.operator():
        assert selectors.list_deletable(at=datetime.now(UTC) + LATER) == []


def test_when_the_time_has_come_only_the_trail_is_left(
    initech: TenantIdentity, console: Console, system: Installation
) -> None:
    assert console.run("delete", "initech", "--without-backup", "initech").code == 0
    system.relay()
    before = list_entries(tenant_id=initech.id, where=EntryFilter(), limit=1000)

    with context.operator(), attribution.acting(attribution.command("test")):
        assert services.purge_due(at=datetime.now(UTC)) == []
        done = services.purge_due(at=datetime.now(UTC) + LATER)

    assert [(purged.slug, purged.error) for purged in done] == [("initech", "")]
    assert what_is_left(system, initech) == []
    system.relay()
    after = list_entries(tenant_id=initech.id, where=EntryFilter(), limit=1000)
    assert len(after) > len(before) > 0
    assert after[-len(before) :] == before
    assert "tenants.tenant" in {entry.entity_type for entry in after if entry.operation == "DELETE"}


def test_the_daily_task_deletes_what_is_due(
    initech: TenantIdentity, console: Console, system: Installation
) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["onboarding.purge_tenants"]
    assert (entry["schedule"], production_routes[entry["task"]]) == (
        24 * 60 * 60, {"queue": "provisioning"},
    )  # fmt: skip
    app.loader.import_default_modules()
    task, headers = app.tasks[entry["task"]], entry["options"]["headers"]
    without = ["--without-backup", "initech"]
    assert console.run("delete", "initech", *without, "--grace", "1h").code == 0
    assert task.apply(headers=headers).get() == 0
    assert "row" in what_is_left(system, initech)
    assert console.run("delete", "initech", *without, "--grace", "0h").code == 0

    assert task.apply(headers=headers).get() == 1

    assert what_is_left(system, initech) == []


def test_the_next_tenant_of_the_name_finds_nothing_of_its_predecessor(
    initech: TenantIdentity, api: Callable[..., Api], console: Console
) -> None:
    ended = console.run(
        "delete", "initech", "--now", "--confirm", "initech", "--without-backup", "initech"
    )
    assert (ended.code, ended.out.strip()) == (0, "initech: deleted"), ended.err
    assert Api(initech, password=None, role=None).get("vendors/").status_code == 404

    successor = make()

    assert successor.id != initech.id
    assert api(successor, "admin").get("vendors/").json()["results"] == []
    with context.tenant(successor):
        assert cache.get("cover") is None
    with context.operator():
        assert Domain.objects.get(domain="initech.localhost").tenant_id == successor.id


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--now", "--confirm", "initech"],
        ["--now", "--without-backup", "initech"],
        ["--now", "--confirm", "acme", "--without-backup", "initech"],
        ["--without-backup", "acme"],
    ],
)
def test_nothing_is_changed_without_backup_and_confirmation(
    initech: TenantIdentity, console: Console, arguments: list[str]
) -> None:
    assert console.run("delete", "initech", *arguments).code == 1
    with context.operator():
        assert Tenant.objects.get(id=initech.id).state == "ACTIVE"


def test_a_backup_of_another_tenant_or_of_yesterday_does_not_count(
    initech: TenantIdentity, console: Console, tmp_path: Path
) -> None:
    earlier, other, broken = (tmp_path / name for name in ("earlier", "other", "broken"))
    for slug, path in (("initech", earlier), ("acme", other)):
        assert console.run("export", slug, "-o", str(path)).code == 0
    broken.write_bytes(earlier.read_bytes()[:-20])
    for path in (earlier, other, broken):
        ended = console.run(
            "delete", "initech", "--now", "--confirm", "initech", "--backup", str(path)
        )
        assert ended.code == 1
    with context.operator():
        tenant = Tenant.objects.get(id=initech.id)
    assert (tenant.state, tenant.delete_after) == ("ARCHIVED", None)


def test_changes_that_the_relay_has_not_moved_are_not_lost(
    initech: TenantIdentity, api: Callable[..., Api], console: Console, system: Installation,
    settings: Any,
) -> None:  # fmt: skip
    settings.DELETION_WAIT_SECONDS = 0
    assert api(initech, "admin").post("vendors/", {"name": "Late"}).status_code == 201
    now = ["delete", "initech", "--now", "--confirm", "initech", "--without-backup", "initech"]

    ended = console.run(*now)

    assert ended.code == 1
    assert "audit relay" in ended.err
    assert {"schema", "row"} <= set(what_is_left(system, initech))
    system.relay()
    assert console.run("purge").out.strip() == "initech: deleted"
    names = [entry.new_values or "" for entry in list_entries(
        tenant_id=initech.id, where=EntryFilter(), limit=1000)]  # fmt: skip
    assert any("Late" in values for values in names)


def test_its_role_can_write_nothing_once_the_trail_is_closed(
    initech: TenantIdentity, system: Installation
) -> None:
    with context.operator():
        assert schemas.close_for_good(initech)
    with system.owner() as owner:
        row = owner.execute(
            "SELECT has_schema_privilege(%s, %s, 'USAGE')", [initech.role, initech.schema]
        ).fetchone()
    assert row == (False,)
    with context.operator():
        schemas.make_ready(initech)


def test_a_transaction_that_is_under_way_is_waited_for(
    initech: TenantIdentity, system: Installation
) -> None:
    """Its change would be lost if the trail were closed before it is committed."""
    answers: list[bool] = []

    def close() -> None:
        try:
            with context.operator():
                answers.append(schemas.close_for_good(initech))
        finally:
            connections.close_all()

    closing = threading.Thread(target=close)
    with system.owner() as writer:
        writer.execute(
            sql.SQL("UPDATE {} SET name = 'Late'").format(
                sql.Identifier(initech.schema, "invoicing_vendor")
            )
        )
        closing.start()
        closing.join(timeout=0.5)
        assert (closing.is_alive(), answers) == (True, [])
        writer.commit()
    closing.join(timeout=10)
    assert answers == [False], "there is a change to be moved"


def test_rights_given_by_hand_and_other_tenants_do_not_matter(
    initech: TenantIdentity, acme: TenantIdentity, console: Console, system: Installation
) -> None:
    with system.owner() as owner:
        owner.execute(
            sql.SQL("GRANT SELECT ON {} TO {}").format(
                sql.Identifier(acme.schema, "invoicing_vendor"), sql.Identifier(initech.role)
            )
        )
    tenant_files.save(acme, "kept.txt")
    with context.tenant(acme):
        cache.set("cover", "kept")
    now = ["delete", "initech", "--now", "--confirm", "initech", "--without-backup", "initech"]
    assert console.run(*now).code == 0
    assert what_is_left(system, initech) == []
    assert tenant_files.read(acme, "kept.txt") == b"content"
    with context.tenant(acme):
        assert cache.get("cover") == "kept"
