"""What a stranger does first, with the real quickstart and over real HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from scripts.stack.paths import ROOT
from scripts.stack.ports import free_port
from tests.e2e.quickstart import Quickstart

ITEM = {"description": "Paper", "quantity": "1", "unit_price": "10.50", "tax_rate": "0.19"}


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quickstart]:
    with ExitStack() as clients:
        stack = Quickstart(tmp_path_factory.mktemp("state") / "local", free_port(), clients)
        started = stack.run("--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        yield stack
    stopped = stack.run("--stop")
    assert stopped.returncode == 0, stopped.stderr
    with socket.socket() as caller:
        assert caller.connect_ex(("127.0.0.1", stack.port)) != 0


def _draft(editor: httpx.Client, *items: dict[str, str]) -> dict[str, Any]:
    vendor = editor.post("vendors/", json={"name": "Paper AG"}).json()
    body = {"vendor": vendor["id"], "currency": "EUR", "items": list(items)}
    response = editor.post("invoices/", json=body)
    assert response.status_code == 201, response.text
    draft: dict[str, Any] = response.json()
    return draft


def test_the_summary_is_private(quickstart: Quickstart) -> None:
    assert (quickstart.state / "quickstart.json").stat().st_mode & 0o777 == 0o600


def test_an_invoice_is_issued_and_nobody_else_sees_it(quickstart: Quickstart) -> None:
    editor = quickstart.person("acme", "editor")
    draft = _draft(editor, ITEM, ITEM, ITEM)

    issued = editor.post(f"invoices/{draft['id']}/issue/").json()

    assert (issued["status"], issued["net"], issued["tax"], issued["amount"]) == (
        "ISSUED",
        "31.50",
        "6.00",
        "37.50",
    )
    assert quickstart.person("globex", "admin").get(f"invoices/{draft['id']}/").status_code == 404
    stranger = quickstart.visitor("globex")
    stranger.headers["authorization"] = editor.headers["authorization"]
    assert stranger.get("invoices/").status_code == 401


def test_the_audit_trail_has_it_within_two_seconds_and_the_application_has_it_not(
    quickstart: Quickstart,
) -> None:
    draft = _draft(quickstart.person("acme", "editor"), ITEM)
    admin = quickstart.person("acme", "admin")
    deadline = time.monotonic() + 2

    found: list[dict[str, Any]] = []
    while not found and time.monotonic() < deadline:
        found = admin.get("audit/entries/", params={"record_id": draft["id"]}).json()["results"]
        time.sleep(0.05)

    assert [(entry["operation"], entry["modified_by_email"]) for entry in found] == [
        ("CREATE", "editor@acme.example")
    ]
    with psycopg.connect(quickstart.summary["audit_auditor_database_url"]) as audit:
        rows = audit.execute(
            "SELECT operation, modified_by FROM audit.entry WHERE record_id = %s", [draft["id"]]
        ).fetchall()
    assert rows == [("CREATE", found[0]["modified_by"])]
    with psycopg.connect(quickstart.summary["database_url"]) as application:
        tables = application.execute(
            "SELECT count(*) FROM pg_tables WHERE tablename = 'entry'"
        ).fetchone()
    assert tables == (0,)


def test_a_hundred_concurrent_issues_leave_no_gap(quickstart: Quickstart) -> None:
    editor = quickstart.person("globex", "editor")
    drafts = [_draft(editor, ITEM)["id"] for _ in range(100)]

    # All at once: more than a tenant's share of the process, so that most of them wait their turn.
    with ThreadPoolExecutor(100) as pool:
        numbers = pool.map(
            lambda draft: editor.post(f"invoices/{draft}/issue/").json()["number"], drafts
        )

    assert sorted(numbers) == list(range(1, 101))


def test_it_starts_again_with_its_data(quickstart: Quickstart) -> None:
    before = quickstart.person("acme", "viewer").get("vendors/").json()["count"]
    assert quickstart.run("--stop").returncode == 0

    started = quickstart.run("--detach")

    assert started.returncode == 0, started.stderr
    assert quickstart.person("acme", "viewer").get("vendors/").json()["count"] == before


INITECH = """\
apiVersion: freehold/v1
tenants:
  - slug: initech
    name: Initech
    domains: [initech.localhost]
    admins: [admin@initech.example]
    auth: {backend: database, secrets: {admin_password: {env: INITECH_PASSWORD}}}
"""


def test_a_declared_tenant_is_onboarded_with_one_command(
    quickstart: Quickstart, tmp_path: Path
) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(INITECH)
    password = "a password that only this test knows"
    environment = {
        **os.environ,
        "FREEHOLD_STATE_DIR": str(quickstart.state),
        "INITECH_PASSWORD": password,
    }

    def onboard(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, ROOT / "scripts" / "onboard", *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    made = onboard(str(file), "--yes")
    again = onboard(str(file), "--yes")
    absent = onboard(str(tmp_path / "none.yaml"))
    signed_in = quickstart.visitor("initech").post(
        "auth/login/", json={"email": "admin@initech.example", "password": password}
    )

    assert made.returncode == 0, made.stdout + made.stderr
    assert "+ initech: create" in made.stdout
    assert "ok: the first administrator can sign in" in made.stdout
    assert password not in made.stdout + made.stderr
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "no changes")
    assert (absent.returncode, "There is no file" in absent.stderr) == (1, True)
    assert signed_in.status_code == 200


def test_an_operator_has_a_tenant_made_by_the_provisioner(quickstart: Quickstart) -> None:
    operator = quickstart.summary["operator"]
    with httpx.Client(base_url=f"http://localhost:{quickstart.port}/api/v1/", timeout=30) as client:
        signed_in = client.post(
            "auth/login/", json={"email": operator["email"], "password": operator["password"]}
        ).json()
        client.headers["authorization"] = f"Bearer {signed_in['access']}"
        accepted = client.post(
            "operator/tenants/",
            json={
                "slug": "hooli",
                "name": "Hooli",
                "domains": ["hooli.localhost"],
                "admins": ["admin@hooli.example"],
            },
        )
        assert accepted.status_code == 202, accepted.text
        done: list[int] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            run = client.get(f"operator/runs/{accepted.json()['id']}/").json()
            done.append(run["steps_done"])
            if run["state"] not in ("pending", "running"):
                break
            time.sleep(0.1)

    assert (run["state"], run["error"]) == ("succeeded", "")
    assert done == sorted(done)
    assert done[-1] == run["steps_total"]
    assert quickstart.visitor("hooli").get("version-info/").status_code == 200
