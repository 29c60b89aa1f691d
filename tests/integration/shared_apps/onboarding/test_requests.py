"""The life cycle over HTTP: asked for at the public host, carried out by the provisioner, recorded as runs."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.references import Secrets
from shared_apps.onboarding import selectors as selectors_of_runs
from shared_apps.onboarding import services
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.choices import HALF_RESTORED, RunState
from shared_apps.onboarding.models import Run, RunStep
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests import tenant_files
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD, Installation
from tests.waiting import wait_until
from tests.workers import running_worker

TENANTS = "operator/tenants/"
INITECH = "operator/tenants/initech/"
NOTHING = Secrets(environment={}, directory=Path())
ACTIONS = ("archive", "take-back", "rename", "clone", "export", "delete")


@pytest.fixture
def operator(made: None, system: Installation) -> Api:
    client = Api(None)
    client.sign_in("operator@example.com", system.password)
    return client


@pytest.fixture
def initech(made: None, system: Installation, api: Callable[..., Api]) -> TenantIdentity:
    """A tenant with a vendor and a file."""
    request = services.TenantRequest(
        slug="initech", name="Initech", domains=("initech.localhost",),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator():
        tenant = services.create_tenant(request=request, at=datetime.now(UTC)).identity
    assert api(tenant, "admin").post("vendors/", {"name": "Chotchkie's"}).status_code == 201
    tenant_files.save(tenant, "tps.txt")
    system.relay()
    return tenant


def work_off(run_id: str) -> None:
    """What the provisioner does with the task's message."""
    with context.operator():
        services.carry_out_run(run_id=UUID(run_id), secrets=NOTHING, clock=timezone.now)


def done(operator: Api, path: str, body: Any = None) -> Any:
    """The run of a request that is carried out."""
    accepted = operator.post(path, body)
    assert accepted.status_code == 202, accepted.content
    work_off(accepted.json()["id"])
    return operator.get(accepted["Location"]).json()


def archives() -> list[str]:
    return sorted(path.name for path in Path(settings.ARCHIVES_ROOT).iterdir())


@pytest.fixture(autouse=True)
def _no_archives() -> None:
    for path in Path(settings.ARCHIVES_ROOT).iterdir():
        path.unlink()


def everything() -> Any:
    with context.operator():
        return [
            list(Tenant.objects.order_by("slug").values()),
            list(Run.objects.order_by("id").values()),
            archives(),
        ]


# -- who ------------------------------------------------------------------------------------------


def test_nobody_but_operators_is_let_in_and_nothing_changes(
    system: Installation, api: Callable[..., Api], acme: TenantIdentity
) -> None:
    auditor = Api(None)
    auditor.sign_in("auditor@example.com", system.password)
    admin = api(acme, "admin")
    # The tenant's administrator with a good token of theirs, at the public host.
    stranger = Api(None)
    stranger.headers = admin.headers
    before = everything()
    bodies = {
        "rename": {"slug": "x"},
        "clone": {"slug": "x"},
        "delete": {"now": True, "confirm": "acme"},
    }
    paths = {f"{TENANTS}acme/{action}/": bodies.get(action, {"reason": "r"}) for action in ACTIONS}
    paths |= {"operator/restores/": {"archive": "a.tar.gz"}, "operator/fleet/migrate/": {}}

    for path, body in paths.items():
        assert Api(None).post(path, body).status_code == 401, path
        assert stranger.post(path, body).status_code == 401, path
        assert auditor.post(path, body).status_code == 403, path
        assert admin.post(path, body).status_code == 404, path
    for client, code in ((Api(None), 401), (auditor, 403), (admin, 404)):
        assert client.get("operator/runs/").status_code == code
    assert everything() == before


# -- what -----------------------------------------------------------------------------------------


def test_archive_and_take_back(operator: Api, initech: TenantIdentity) -> None:
    silent = operator.post(f"{INITECH}archive/", {})
    archived = operator.post(f"{INITECH}archive/", {"reason": "Left us."})
    twice = operator.post(f"{INITECH}archive/", {"reason": "Left us."})
    back = operator.post(f"{INITECH}take-back/", {"reason": "Came back."})
    again = operator.post(f"{INITECH}take-back/", {"reason": "Came back."})

    assert (silent.status_code, list(silent.json()["details"])) == (400, ["reason"])
    assert (archived.status_code, archived.json()["state"]) == (200, "archived")
    assert (twice.status_code, twice.json()["code"]) == (409, "tenants.state")
    assert (back.status_code, back.json()["state"]) == (200, "suspended")
    assert (again.status_code, again.json()["details"]["state"]) == (409, "SUSPENDED")


def test_an_export_is_a_run_and_its_file_is_in_the_directory(
    operator: Api, initech: TenantIdentity
) -> None:
    run = done(operator, f"{INITECH}export/")
    [name] = archives()
    twice = done(operator, f"{INITECH}export/", {"archive": name})

    assert (run["state"], run["action"], run["error"]) == ("succeeded", "export", "")
    assert (run["steps_done"], run["steps_total"]) == (1, 1)
    assert run["arguments"]["archive"] == name
    assert verify(Path(settings.ARCHIVES_ROOT) / name).tenant_id == str(initech.id)
    assert (Path(settings.ARCHIVES_ROOT) / name).stat().st_mode & 0o777 == 0o600
    assert (twice["state"], twice["error"]) == ("failed", "There is a file of this name already.")


def test_a_deletion_has_a_backup_and_a_date_and_is_taken_back(
    operator: Api, initech: TenantIdentity, api: Callable[..., Api]
) -> None:
    run = done(operator, f"{INITECH}delete/", {"grace": "7d", "reason": "Ended."})
    shown = operator.get(INITECH).json()
    twice = operator.post(f"{INITECH}delete/", {})
    renamed = operator.post(f"{INITECH}rename/", {"slug": "other"})
    refused = api(initech).get("vendors/")
    back = operator.post(f"{INITECH}take-back/", {"reason": "Not yet."})
    resumed = operator.post(f"{INITECH}resume/", {"reason": "Stay."})

    assert run["state"] == "succeeded", run
    assert verify(Path(settings.ARCHIVES_ROOT) / run["arguments"]["archive"]).state == "archived"
    due = datetime.fromisoformat(shown["delete_after"])
    assert timedelta(days=6) < due - datetime.now(UTC) < timedelta(days=7)
    assert (shown["state"], shown["reason"]) == ("archived", "Ended.")
    assert (twice.status_code, twice.json()["code"]) == (409, "onboarding.deletion_scheduled")
    assert twice.json()["details"]["state"] == "archived"
    assert (renamed.status_code, renamed.json()["code"]) == (409, "tenants.state")
    assert (refused.status_code, refused.json()["code"]) == (404, "tenants.gone")
    assert (back.json()["state"], back.json()["delete_after"]) == ("suspended", None)
    assert resumed.json()["state"] == "active"
    assert len(api(initech, "admin").get("vendors/").json()["results"]) == 1


def test_restored_to_a_moment_after_the_archive(
    operator: Api, initech: TenantIdentity, system: Installation
) -> None:
    system.relay()
    assert done(operator, f"{INITECH}export/", {"archive": "a.tar.gz"})["state"] == "succeeded"
    client = Api(initech)
    client.sign_in("admin@initech.example", PASSWORD)
    client.post("vendors/", {"name": "Before"})
    moment = timezone.now()
    client.post("vendors/", {"name": "After"})
    system.relay()
    second = {"archive": "a.tar.gz", "slug": "initech2", "domains": ["initech2.localhost"]}

    restored = done(operator, "operator/restores/", {**second, "until": moment.isoformat()})
    third = {**second, "slug": "initech3", "domains": ["initech3.localhost"]}
    early = done(
        operator, "operator/restores/", {**third, "until": (moment - timedelta(days=1)).isoformat()}
    )

    assert restored["state"] == "succeeded", restored
    client = Api(selectors.get_tenant(slug="initech2").identity)
    client.sign_in("admin@initech.example", PASSWORD)
    names = sorted(row["name"] for row in client.get("vendors/").json()["results"])
    assert names == ["Before", "Chotchkie's"]
    assert early["state"] == "failed"
    assert "needs an earlier archive" in early["error"]
    assert not selectors.is_registered(slug="initech3")


def test_deleted_at_once_and_restored_from_the_backup(
    operator: Api, initech: TenantIdentity, system: Installation, api: Callable[..., Api]
) -> None:
    # The relay moves the last change while the run waits for it.
    accepted = operator.post(f"{INITECH}delete/", {"now": True, "confirm": "initech"})
    at_once([lambda: work_off(accepted.json()["id"]), lambda: relay_until_gone(system)])
    run = operator.get(accepted["Location"]).json()
    gone = operator.get(INITECH)
    restored = done(
        operator,
        "operator/restores/",
        {
            "archive": run["arguments"]["archive"],
            "slug": "initech2",
            "domains": ["Initech2.localhost"],
        },
    )
    second = selectors.get_tenant(slug="initech2").identity

    assert (run["state"], run["steps_done"], run["steps_total"]) == ("succeeded", 2, 2), run
    assert gone.status_code == 404
    assert (restored["state"], restored["tenants"]) == ("succeeded", ["initech2"]), restored
    client = Api(second)
    client.sign_in("admin@initech.example", PASSWORD)
    assert [row["name"] for row in client.get("vendors/").json()["results"]] == ["Chotchkie's"]


def relay_until_gone(system: Installation) -> None:
    def is_gone() -> bool:
        system.relay()
        return not selectors.is_registered(slug="initech")

    wait_until(is_gone, "the deletion", timeout=60)


def test_rename_and_clone(operator: Api, initech: TenantIdentity) -> None:
    cloned = done(operator, f"{INITECH}clone/", {"slug": "twin", "domains": ["twin.localhost"]})
    renamed = done(operator, f"{INITECH}rename/", {"slug": "initrode"})

    assert (cloned["state"], cloned["error"]) == ("succeeded", "")
    assert (renamed["state"], renamed["error"]) == ("succeeded", "")
    assert operator.get(INITECH).status_code == 404
    shown = operator.get(f"{TENANTS}initrode/").json()
    assert (shown["id"], shown["domains"]) == (str(initech.id), ["initrode.localhost"])
    twin = operator.get(f"{TENANTS}twin/").json()
    assert (twin["state"], twin["domains"]) == ("active", ["twin.localhost"])
    assert twin["id"] != shown["id"]
    assert archives() == [], "the clone's archive is removed"
    listed = operator.get("operator/runs/").json()["results"]
    assert [run["action"] for run in listed] == ["rename", "clone"]


def test_the_fleet_is_migrated_as_a_run(operator: Api, system: Installation) -> None:
    ledger = "SELECT schema_name, fingerprint FROM fleet_schemaversion ORDER BY 1"
    with system.owner() as owner:
        before = owner.execute(ledger).fetchall()
        owner.execute("UPDATE fleet_schemaversion SET fingerprint = 'another'")

    accepted = operator.post("operator/fleet/migrate/", {})
    twice = operator.post("operator/fleet/migrate/", {})
    work_off(accepted.json()["id"])
    run = operator.get(accepted["Location"]).json()

    assert (accepted.status_code, twice.status_code) == (202, 409)
    assert (run["state"], run["action"], run["error"]) == ("succeeded", "migrate", ""), run
    assert run["report"].startswith("[1/2] ")
    with system.owner() as owner:
        assert owner.execute(ledger).fetchall() == before
    assert operator.post("operator/fleet/migrate/", {"only": "acme"}).status_code == 400


# -- what is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (f"{INITECH}export/", {"archive": "../../etc/passwd"}, {"archive"}),
        (f"{INITECH}export/", {"archive": ".hidden"}, {"archive"}),
        (f"{INITECH}export/", {"archive": "a\x00b"}, {"archive"}),
        (f"{INITECH}export/", {"file": "x"}, {"file"}),
        (f"{INITECH}delete/", {"grace": "soon"}, {"grace"}),
        (f"{INITECH}delete/", {"now": True}, {"confirm"}),
        (f"{INITECH}delete/", {"now": True, "confirm": "acme"}, {"confirm"}),
        (f"{INITECH}delete/", {"now": True, "grace": "1d", "confirm": "initech"}, {"grace"}),
        (f"{INITECH}delete/", {"without_backup": True}, {"confirm"}),
        (f"{INITECH}delete/", {"archive": "/tmp/x"}, {"archive"}),
        (f"{INITECH}rename/", {}, {"slug"}),
        (f"{INITECH}rename/", {"slug": "Ü"}, {"slug"}),
        (f"{INITECH}rename/", {"slug": "www", "domains": ["a b"]}, {"slug", "domains"}),
        (f"{INITECH}rename/", {"slug": "x", "domains": ["localhost"]}, {"domains"}),
        (f"{INITECH}clone/", {"slug": "public"}, {"slug"}),
        ("operator/restores/", {}, {"archive"}),
        ("operator/restores/", {"archive": "../x", "slug": "-"}, {"archive", "slug"}),
        ("operator/restores/", {"archive": "a/b"}, {"archive"}),
        ("operator/restores/", {"archive": "a", "until": "yesterday"}, {"until"}),
        ("operator/restores/", {"archive": "a", "until": "2026-05-04T10:00:00"}, {"until"}),
    ],
)  # fmt: skip
def test_errors_name_the_field(
    operator: Api, initech: TenantIdentity, path: str, body: Any, fields: set[str]
) -> None:
    before = everything()

    refused = operator.post(path, body)

    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")
    assert set(refused.json()["details"]) == fields
    assert everything() == before


def test_a_name_that_is_taken_and_a_tenant_that_is_not_there(
    operator: Api, initech: TenantIdentity
) -> None:
    before = everything()

    for action in ("rename", "clone"):
        taken = operator.post(f"{INITECH}{action}/", {"slug": "acme"})
        assert (taken.status_code, taken.json()["code"]) == (409, "tenants.exists")
    restored = operator.post("operator/restores/", {"archive": "a.tar.gz", "slug": "acme"})
    assert (restored.status_code, restored.json()["code"]) == (409, "tenants.exists")
    for action in ACTIONS:
        body = {"slug": "x"} if action in ("rename", "clone") else {}
        body = {"reason": "r"} if action in ("archive", "take-back") else body
        assert operator.post(f"{TENANTS}nobody/{action}/", body).status_code == 404, action
    assert everything() == before


def test_of_many_at_once_one_is_accepted(operator: Api, initech: TenantIdentity) -> None:
    requests = [
        lambda: operator.post(f"{INITECH}delete/", {}),
        lambda: operator.post(f"{INITECH}export/", {}),
        lambda: operator.post(f"{INITECH}rename/", {"slug": "other"}),
    ]

    answers = at_once(requests * 2)

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 5
    refused = {answer.json()["code"] for answer in answers if answer.status_code == 409}
    assert refused == {"onboarding.run_open"}
    with context.operator():
        assert selectors_of_runs.list_requests().count() == 1


def test_an_archive_that_is_a_link_or_missing_fails_visibly(
    operator: Api, initech: TenantIdentity, tmp_path: Path
) -> None:
    (Path(settings.ARCHIVES_ROOT) / "link.tar.gz").symlink_to("/etc/passwd")

    link = done(operator, "operator/restores/", {"archive": "link.tar.gz"})
    missing = done(operator, "operator/restores/", {"archive": "none.tar.gz"})

    assert (link["state"], link["error"]) == (
        "failed", "An archive is a file of this directory, not a link.",
    )  # fmt: skip
    assert (missing["state"], missing["error"]) == ("failed", "There is no such file.")
    assert missing["steps"][0]["state"] == "failed"


def test_without_a_directory_it_says_so(
    operator: Api, initech: TenantIdentity, settings: Any
) -> None:
    settings.ARCHIVES_ROOT = ""

    run = done(operator, f"{INITECH}delete/", {})

    assert run["state"] == "failed"
    assert "set ARCHIVES_ROOT" in run["error"]
    assert operator.get(INITECH).json()["state"] == "active"


# -- killed ---------------------------------------------------------------------------------------

# Carries a run out and ends itself with SIGKILL when it has come to the named point.
_KILLED = """
import os, signal, sys
import django
django.setup()
from pathlib import Path
from uuid import UUID
from django.utils import timezone
from shared_apps.core import attribution, context
from shared_apps.onboarding import deleting, services
from shared_apps.onboarding.archive import restoring, restoring_files, writing
from shared_apps.core.references import Secrets
from shared_apps.onboarding.provisioning import recording
from shared_apps.tenants import services as tenants

place, name = {
    "while it is written": (writing, "verify"),
    "before the date": (deleting.tenants, "schedule_deletion"),
    "after the row": (restoring, "_fill"),
    "half filled": (restoring_files, "write"),
    "before the end": (recording.Recorder, "complete"),
}[sys.argv[2]]
setattr(place, name, lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
with context.operator(), attribution.acting(attribution.command("test")):
    services.carry_out_run(
        run_id=UUID(sys.argv[1]), secrets=Secrets(environment={}, directory=Path()), clock=timezone.now
    )
"""


def killed(run_id: str, point: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, run_id, point], capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def take_up() -> int:
    later = lambda: timezone.now() + timedelta(minutes=1)  # noqa: E731 (a clock)
    with context.operator():
        return services.take_up_runs(secrets=NOTHING, clock=later)


@pytest.mark.parametrize(
    ("action", "body", "point"),
    [
        ("export", {}, "while it is written"),
        ("export", {}, "before the end"),
        ("delete", {}, "while it is written"),
        ("delete", {}, "before the date"),
        ("clone", {"slug": "twin"}, "half filled"),
        ("clone", {"slug": "twin"}, "before the end"),
        ("rename", {"slug": "initrode"}, "before the end"),
    ],
)
def test_a_run_whose_process_is_killed_is_taken_up_and_ends(
    operator: Api,
    initech: TenantIdentity,
    api: Callable[..., Api],
    action: str,
    body: Any,
    point: str,
) -> None:
    accepted = operator.post(f"{INITECH}{action}/", body)
    killed(accepted.json()["id"], point)
    between = operator.get(accepted["Location"]).json()
    again = operator.post(f"{INITECH}{action}/", body)

    assert (take_up(), take_up()) == (1, 0)

    run = operator.get(accepted["Location"]).json()
    assert between["state"] == "running"
    assert again.status_code == (404 if action == "rename" else 409)
    assert (run["state"], run["error"]) == ("succeeded", ""), run
    assert run["steps"][0]["attempt"] == 2
    states = {tenant["slug"]: tenant["state"] for tenant in operator.get(TENANTS).json()["results"]}
    expected = {"acme": "active", "globex": "active", "initech": "active"}
    expected |= {"twin": "active"} if action == "clone" else {}
    expected |= {"initech": "archived"} if action == "delete" else {}
    if action == "rename":
        expected["initrode"] = expected.pop("initech")
    assert states == expected
    assert archives() == ([run["arguments"]["archive"]] if action in ("export", "delete") else [])


@pytest.mark.parametrize("point", ["after the row", "half filled", "before the end"])
def test_a_restore_that_is_killed_is_begun_anew(
    operator: Api, initech: TenantIdentity, point: str
) -> None:
    name = done(operator, f"{INITECH}export/")["arguments"]["archive"]
    body = {"archive": name, "slug": "second", "domains": ["second.localhost"]}
    accepted = operator.post("operator/restores/", body)
    killed(accepted.json()["id"], point)
    is_served = selectors.get_tenant(slug="second").state == TenantState.ACTIVE

    take_up()

    assert is_served is (point == "before the end")
    run = operator.get(accepted["Location"]).json()
    assert (run["state"], run["error"]) == ("succeeded", ""), run
    second = selectors.get_tenant(slug="second")
    assert second.state == TenantState.ACTIVE
    client = Api(second.identity)
    client.sign_in("admin@initech.example", PASSWORD)
    assert [row["name"] for row in client.get("vendors/").json()["results"]] == ["Chotchkie's"]


def test_a_run_that_kills_its_process_every_time_is_given_up(
    operator: Api, initech: TenantIdentity
) -> None:
    accepted = operator.post(f"{INITECH}export/", {})
    with context.operator():
        Run.objects.update(state=RunState.RUNNING)
        RunStep.objects.update(state="RUNNING", attempt=5)

    take_up()

    run = operator.get(accepted["Location"]).json()
    assert (run["state"], run["error"]) == (
        "failed", "given up: the process died in this step 5 times",
    )  # fmt: skip
    assert archives() == []


def test_a_restore_never_removes_what_a_provisioning_left(
    operator: Api, initech: TenantIdentity
) -> None:
    """Only what its mark says was made by a restore is taken for the earlier attempt's."""
    name = done(operator, f"{INITECH}export/")["arguments"]["archive"]
    accepted = operator.post(
        "operator/restores/", {"archive": name, "slug": "second", "domains": ["second.localhost"]}
    )
    killed(accepted.json()["id"], "after the row")
    with context.operator():
        Tenant.objects.filter(slug="second", last_error=HALF_RESTORED).update(
            last_error="A step failed."
        )

    take_up()

    run = operator.get(accepted["Location"]).json()
    assert (run["state"], run["error"]) == ("failed", "A tenant with this name exists.")
    assert selectors.get_tenant(slug="second").last_error == "A step failed."


def test_the_message_reaches_the_provisioners_queue(
    operator: Api, initech: TenantIdentity, tmp_path: Path
) -> None:
    accepted = operator.post(f"{INITECH}export/", {})
    queue = settings.CELERY_TASK_ROUTES["onboarding.carry_out_run"]["queue"]

    with running_worker("solo", queue=queue, directory=tmp_path, concurrency=1):
        wait_until(
            lambda: operator.get(accepted["Location"]).json()["state"] == "succeeded",
            "the run", timeout=30,
        )  # fmt: skip

    assert archives() == [accepted.json()["arguments"]["archive"]]
    assert os.listdir(settings.ARCHIVES_ROOT) == archives()
