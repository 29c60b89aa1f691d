"""A fleet is migrated while people work: one tenant that cannot be, and nobody who notices."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import drift, status
from shared_apps.tenants import services as tenants
from tests.chaos.load import Load, under_load
from tests.fleet import Fleet, of_a_test
from tests.installation import Installation
from tests.server import Server, serving
from tests.stack.processes import wait_until

# The show has three hundred: FREEHOLD_TEST_FLEET=300.
_TENANTS = int(os.environ.get("FREEHOLD_TEST_FLEET", "30"))
_EDITOR = "editor@acme.example"
_RELEASE = {
    "_0004_note": """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
""",
    "_0005_index": """
operations = [migrations.AddIndex("vendor", models.Index(fields=["note"], name="vendor_by_note"))]
""",
    "_0006_unique": """
contracts = True
operations = [migrations.AddConstraint("vendor", models.UniqueConstraint(fields=["name"], name="vendor_once"))]
""",
}


@pytest.fixture
def fleet(system: Installation, tmp_path: Path) -> Iterator[Fleet]:
    with of_a_test(system, tmp_path) as made:
        yield made


def _open_for_work(tenant: TenantIdentity) -> None:
    with context.operator():
        tenants.set_domains(tenant_id=tenant.id, domains=[f"{tenant.slug}.localhost"])
        editor = people.find_user_by_email(email=_EDITOR)
        assert editor is not None
        accounts.grant_role(
            tenant_id=tenant.id, user_id=editor.id, role=Role.EDITOR, by=None, at=datetime.now(UTC)
        )


def _person(server: Server, tenant: TenantIdentity, email: str, password: str) -> httpx.Client:
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{server.port}/api/v1/",
        headers={"host": server.host(tenant)},
        timeout=30,
    )
    answer = client.post("auth/login/", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["authorization"] = f"Bearer {answer.json()['access']}"
    return client


def _run(fleet: Fleet) -> tuple[int, dict[str, Any], str]:
    process = fleet.start("migrate", "--json", "--jobs", "2")
    out, errors = process.communicate(timeout=600)
    return process.returncode, json.loads(out), errors


def _states(report: dict[str, Any]) -> dict[str, str]:
    return {tenant["slug"]: tenant["state"] for tenant in report["tenants"]}


def test_one_poisoned_tenant_stops_nobody_and_nobody_at_work_notices(
    fleet: Fleet, system: Installation
) -> None:
    made = fleet.make(_TENANTS - 2)
    poisoned, *others = made
    for _ in range(2):
        fleet.execute(
            poisoned,
            "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_at, created_by)"
            " VALUES (gen_random_uuid(), 'Twice', '', '', '', now(), gen_random_uuid())",
        )
    at_work = {tenant: _EDITOR for tenant in [others[0], others[len(others) // 2], others[-1]]}
    for tenant in at_work:
        _open_for_work(tenant)
    at_work |= {tenant: f"editor@{slug}.example" for slug, tenant in system.tenants.items()}

    # Served by the release before.
    with serving(workers=2) as server, ExitStack() as working:
        loads: list[Load] = []
        for tenant, email in at_work.items():
            client = _person(server, tenant, email, system.password)
            working.callback(client.close)
            loads.append(working.enter_context(under_load([client], [client])))
        assert wait_until(lambda: all(load.successes() > 10 for load in loads), seconds=60)
        fleet.release(**_RELEASE)
        code, report, errors = _run(fleet)
        fleet.undo_release()
        before = [load.successes() for load in loads]
        assert wait_until(
            lambda: all(
                load.successes() > earlier + 5 for load, earlier in zip(loads, before, strict=True)
            ),
            seconds=60,
        )

    for load in loads:
        assert load.failures == []
        assert [answer.status_code for answer in load.answers if not answer.is_success] == []
    print(f"{len(report['tenants'])} tenants, {sum(load.successes() for load in loads)} answers")
    assert code == 1
    assert sorted(_states(report).values()) == ["done"] * (_TENANTS - 1) + ["failed"]
    assert _states(report)[poisoned.slug] == "failed"
    assert poisoned.slug in errors.splitlines()[-1]
    (failed,) = (tenant for tenant in report["tenants"] if tenant["state"] == "failed")
    assert "vendor_once" in failed["error"]
    assert "Twice" in failed["error"]

    fleet.release(**_RELEASE)
    assert [tenant.slug for tenant in status.get_status().behind] == [poisoned.slug]
    assert fleet.has_column(poisoned, "note"), "before the one migration, after the other"
    again = _run(fleet)
    fleet.execute(poisoned, "DELETE FROM invoicing_vendor")
    mended = _run(fleet)
    nothing = _run(fleet)

    assert (again[0], _states(again[1])) == (1, {poisoned.slug: "failed"})
    assert (mended[0], _states(mended[1])) == (0, {poisoned.slug: "done"})
    assert (nothing[0], nothing[1]["planned"]) == (0, 0)
    assert drift.find_differences() == ([], [])
