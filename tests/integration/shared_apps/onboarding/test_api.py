"""Operators make, change and stop tenants at the public host."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone

from shared_apps.accounts import selectors as people
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.references import Secrets
from shared_apps.onboarding import services
from shared_apps.onboarding.choices import RunState, Step, StepState
from shared_apps.onboarding.models import Run, RunStep
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import Installation

TENANTS = "operator/tenants/"
INITECH: dict[str, Any] = {
    "slug": "initech",
    "name": "Initech",
    "domains": ["initech.localhost"],
    "admins": ["admin@initech.example"],
    "limits": {"connections": 7},
}


@pytest.fixture
def operator(made: None, system: Installation) -> Api:
    client = Api(None)
    client.sign_in("operator@example.com", system.password)
    return client


def work_off(run_id: str, **environment: str) -> None:
    """What the provisioner does with the task's message."""
    with context.operator():
        services.carry_out_run(
            run_id=UUID(run_id),
            secrets=Secrets(environment=environment, directory=Path()),
            clock=timezone.now,
        )


def test_a_tenant_is_made_in_the_background(operator: Api, system: Installation) -> None:
    accepted = operator.post(TENANTS, INITECH)
    run = accepted.json()
    waiting = operator.get(accepted["Location"]).json()
    reserved = selectors.get_tenant(slug="initech").state
    unserved = Api(None).http.get("/api/v1/version-info/", headers={"host": "initech.localhost"})

    work_off(run["id"])
    finished = operator.get(f"operator/runs/{run['id']}/").json()
    shown = operator.get(f"{TENANTS}initech/").json()

    assert accepted.status_code == 202
    assert accepted["Location"] == f"/api/v1/operator/runs/{run['id']}/"
    assert (waiting["state"], waiting["steps_done"], waiting["steps_total"]) == ("pending", 0, 10)
    assert (reserved, unserved.status_code) == (TenantState.PENDING, 503)
    assert (finished["state"], finished["steps_done"], finished["error"]) == ("succeeded", 10, "")
    assert shown["state"] == "active"
    assert {key: shown[key] for key in INITECH} == INITECH
    assert [row["slug"] for row in operator.get(TENANTS).json()["results"]] == [
        "acme",
        "globex",
        "initech",
    ]


def test_the_message_runs_in_the_operators_context(operator: Api) -> None:
    from config.celery import app

    run = operator.post(TENANTS, INITECH).json()
    app.loader.import_default_modules()

    app.tasks[services.PROVISION_TASK].apply(
        kwargs={"run_id": run["id"]}, headers={"scope": "operator"}
    ).get()

    assert operator.get(f"operator/runs/{run['id']}/").json()["state"] == "succeeded"


@pytest.mark.parametrize("method", ["get", "post", "patch"])
@pytest.mark.parametrize(
    "path",
    [TENANTS, f"{TENANTS}acme/", f"{TENANTS}acme/suspend/", f"{TENANTS}acme/resume/",
     f"{TENANTS}acme/retry/", f"operator/runs/{UUID(int=0)}/"],
)  # fmt: skip
def test_only_operators_are_let_in(system: Installation, path: str, method: str) -> None:
    auditor = Api(None)
    auditor.sign_in("auditor@example.com", system.password)

    assert getattr(Api(None), method)(path).status_code == 401
    assert getattr(auditor, method)(path).status_code == 403


def test_a_tenants_host_has_no_such_address(api: Callable[..., Api], acme: TenantIdentity) -> None:
    assert api(acme, "admin").get(TENANTS).status_code == 404


def test_errors_name_the_field(operator: Api, system: Installation) -> None:
    wrong = {**INITECH, "slug": "X", "domains": ["a b"], "typo": 1, "limits": {"connections": 0}}

    refused = operator.post(TENANTS, wrong)

    assert refused.status_code == 400
    assert refused["Content-Type"] == "application/problem+json"
    assert set(refused.json()["details"]) == {"slug", "domains[0]", "typo", "limits.connections"}
    with context.operator():
        assert Tenant.objects.count() == len(system.tenants)
        assert not Run.objects.exists()


@pytest.mark.parametrize(
    "reference", ["literal", {"env": "SECRET_KEY"}, {"file": "/etc/hostname"}, {"env": "TENANT_SECRET"}]
)  # fmt: skip
def test_the_installations_own_secrets_are_out_of_reach(operator: Api, reference: Any) -> None:
    auth = {"backend": "database", "secrets": {"admin_password": reference}}

    refused = operator.post(TENANTS, {**INITECH, "auth": auth})

    assert refused.status_code == 400
    assert list(refused.json()["details"]) == ["auth.secrets.admin_password"]
    assert "literal" not in refused.content.decode()


def test_a_secret_is_looked_up_by_the_worker(operator: Api, api: Callable[..., Api]) -> None:
    auth = {
        "backend": "database",
        "secrets": {"admin_password": {"env": "TENANT_SECRET_INITECH"}},
    }
    run = operator.post(TENANTS, {**INITECH, "auth": auth}).json()

    work_off(run["id"])
    failed = operator.get(f"operator/runs/{run['id']}/").json()
    retried = operator.post(f"{TENANTS}initech/retry/").json()
    work_off(retried["id"], TENANT_SECRET_INITECH="a long and secret text")
    client = api(selectors.get_tenant(slug="initech").identity)
    signed_in = client.post(
        "auth/login/", {"email": INITECH["admins"][0], "password": "a long and secret text"}
    )

    assert (failed["state"], failed["current_step"]) == ("failed", "admins")
    assert "TENANT_SECRET_INITECH is not set" in failed["error"]
    assert operator.get(f"operator/runs/{retried['id']}/").json()["state"] == "succeeded"
    assert signed_in.status_code == 200


def test_a_taken_name_is_a_conflict(operator: Api) -> None:
    taken = operator.post(TENANTS, {**INITECH, "slug": "acme"})
    domain = operator.post(TENANTS, {**INITECH, "domains": ["acme.localhost"]})
    first = operator.post(TENANTS, INITECH)
    again = operator.post(TENANTS, INITECH)

    assert (taken.status_code, taken.json()["code"]) == (409, "tenants.exists")
    assert (domain.status_code, list(domain.json()["details"])) == (409, ["domains[0]"])
    assert (first.status_code, again.status_code) == (202, 409)


def test_of_eight_at_once_one_is_accepted(operator: Api) -> None:
    codes = at_once([lambda: operator.post(TENANTS, INITECH).status_code] * 8)

    assert sorted(codes) == [202] + [409] * 7
    with context.operator():
        assert Run.objects.count() == 1


def test_progress_never_shrinks_when_a_run_is_taken_up_again(operator: Api) -> None:
    run = operator.post(TENANTS, INITECH).json()
    with context.operator():
        # As a worker left it that was killed in the fifth step.
        Run.objects.filter(id=run["id"]).update(state=RunState.RUNNING)
        for number, step in enumerate(RunStep.objects.filter(run=run["id"])[:5]):
            step.state = StepState.RUNNING if number == 4 else StepState.DONE
            step.attempt = 1
            step.save()
    seen: list[int] = []
    before = services.engine.steps.carry_out

    def watched(step: Step, work: Any) -> None:
        seen.append(operator.get(f"operator/runs/{run['id']}/").json()["steps_done"])
        before(step, work)

    services.engine.steps.carry_out = watched
    try:
        work_off(run["id"])
    finally:
        services.engine.steps.carry_out = before

    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (4, 9)
    steps = operator.get(f"operator/runs/{run['id']}/").json()["steps"]
    assert [step["attempt"] for step in steps][:6] == [1, 1, 1, 1, 2, 1]
    assert {step["state"] for step in steps} == {"done"}


def test_patch_changes_what_it_names(operator: Api, acme: TenantIdentity) -> None:
    changed = operator.patch(f"{TENANTS}acme/", {"name": "Acme SE", "features": {"a": True}})
    refused = operator.patch(f"{TENANTS}acme/", {"state": "suspended", "slug": "b"})
    wrong = operator.patch(f"{TENANTS}acme/", {"domains": ["globex.localhost"]})
    missing = operator.patch(f"{TENANTS}nobody/", {"name": "x"})

    assert changed.status_code == 200, changed.content
    shown = changed.json()
    assert (shown["name"], shown["features"], shown["domains"]) == (
        "Acme SE",
        {"a": True},
        ["acme.localhost"],
    )
    assert (refused.status_code, set(refused.json()["details"])) == (400, {"state", "slug"})
    assert (wrong.status_code, list(wrong.json()["details"])) == (409, ["domains[0]"])
    assert missing.status_code == 404


def test_two_who_change_different_things_do_not_undo_each_other(
    operator: Api, acme: TenantIdentity
) -> None:
    for number in range(8):
        bodies: list[dict[str, Any]] = [
            {"name": f"Acme {number}"},
            {"features": {f"f{number}": True}},
            {"limits": {"connections": 10 + number}},
        ]
        changes = [
            lambda body=body: operator.patch(f"{TENANTS}acme/", body).status_code for body in bodies
        ]

        assert at_once(changes) == [200] * 3
        shown = operator.get(f"{TENANTS}acme/").json()
        assert {**bodies[0], **bodies[1], **bodies[2]}.items() <= shown.items()


def test_suspend_and_resume_ask_for_a_reason_and_are_audited(
    operator: Api, acme: TenantIdentity, system: Installation
) -> None:
    silent = operator.post(f"{TENANTS}acme/suspend/", {})
    suspended = operator.post(f"{TENANTS}acme/suspend/", {"reason": "Unpaid"})
    twice = operator.post(f"{TENANTS}acme/suspend/", {"reason": "Unpaid"})
    resumed = operator.post(f"{TENANTS}acme/resume/", {"reason": "Paid"})

    assert (silent.status_code, list(silent.json()["details"])) == (400, ["reason"])
    assert (suspended.json()["state"], suspended.json()["reason"]) == ("suspended", "Unpaid")
    assert (twice.status_code, resumed.json()["state"]) == (409, "active")
    operator_id = people.find_user_by_email(email="operator@example.com")
    assert operator_id is not None
    with system.owner() as owner:
        [count] = owner.execute(
            "SELECT count(*) FROM audit_outbox WHERE attribution::jsonb->>'user_id' = %s"
            " AND table_name = 'tenants_tenant'",
            [str(operator_id.id)],
        ).fetchone() or [0]
    assert count == 2


def test_the_schema_is_there_for_editors(system: Installation) -> None:
    answer = Api(None).get("operator/tenants.schema.json")

    assert answer.status_code == 200
    assert answer.json()["title"] == "tenants.yaml"
