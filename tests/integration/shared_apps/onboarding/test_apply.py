"""plan and apply, by the command line."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings as configured
from django.db import connection
from django.test import override_settings
from psycopg import sql

from shared_apps.authn import registering
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.concurrency import at_once
from tests.ended import Ended
from tests.integration.shared_apps.onboarding.console import Console, tenant

OPENLDAP = (
    "{backend: openldap, options: {url: 'ldaps://h', base_dn: dc=a, bind_dn: cn=a},"
    " secrets: {bind_password: {env: A}}}"
)


def secret(reference: str) -> str:
    return f"{{backend: database, secrets: {{admin_password: {reference}}}}}"


@dataclass(frozen=True)
class Obstacle:
    """A schema that is there already: somebody else's, or one that holds a table of ours."""

    schema: str

    def run(self, statement: str) -> None:
        url = psycopg.conninfo.make_conninfo(
            configured.ADMIN_DATABASE_URL, dbname=configured.DATABASES["default"]["NAME"]
        )
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(sql.SQL(statement).format(sql.Identifier(self.schema)))

    def remove(self) -> None:
        self.run("DROP SCHEMA IF EXISTS {} CASCADE")


def schema_that_is_in_the_way(schema: str, *, owner: str | None = None) -> Obstacle:
    obstacle = Obstacle(schema)
    obstacle.run("CREATE SCHEMA {}")
    if owner:
        obstacle.run("CREATE TABLE {}.invoicing_vendor ()")
        obstacle.run(f"ALTER TABLE {{}}.invoicing_vendor OWNER TO {owner}")
        obstacle.run(f"ALTER SCHEMA {{}} OWNER TO {owner}")
    return obstacle


def test_apply_makes_what_plan_shows_and_then_has_nothing_to_do(console: Console) -> None:
    console.declare(
        tenant(
            "initech",
            domains="[initech.localhost, www.initech.localhost]",
            limits="{statement_timeout_ms: 15000, connections: 10, storage_mb: 7, requests_per_minute: 60}",
            features="{invoicing: true, beta: false}",
        )
    )

    planned = console.plan("--detailed-exitcode")
    applied = console.apply()
    again = console.apply()
    planned_again = console.plan("--detailed-exitcode")

    assert planned.code == 2, planned.err
    assert "+ initech: create" in planned.out
    assert applied.code == 0, applied.err
    assert (again.code, again.out.splitlines()[0]) == (0, "no changes")
    assert planned_again.code == 0
    made = selectors.get_tenant(slug="initech")
    assert made.state == TenantState.ACTIVE
    assert [domain.domain for domain in made.domains.all()] == [
        "initech.localhost",
        "www.initech.localhost",
    ]
    assert (made.limits.statement_timeout_ms, made.limits.connections) == (15000, 10)
    assert (made.quotas.requests_per_minute, made.quotas.storage_mb) == (60, 7)
    assert selectors.has_feature(tenant_id=made.id, feature="invoicing")
    assert not selectors.has_feature(tenant_id=made.id, feature="beta")


def test_a_plan_is_declared_changed_and_taken_back(console: Console) -> None:
    with override_settings(RATE_PLANS={"basic": {"tenant": 5}, "large": {}}):
        for limits, plan in (("{plan: basic}", "basic"), ("{plan: large}", "large"), ("{}", "")):
            console.declare(tenant("initech", limits=limits))
            assert console.apply().code == 0
            assert selectors.get_tenant(slug="initech").quotas.plan == plan
            assert console.plan("--detailed-exitcode").code == 0


def test_plan_shows_old_and_new_and_apply_makes_it_so(console: Console) -> None:
    console.declare(tenant("initech", limits="{connections: 10}", features="{a: true}"))
    assert console.apply().code == 0
    console.declare(
        tenant(
            "initech",
            name="Initech SE",
            domains="[www.initech.localhost, initech.localhost]",
            admins="[boss@initech.example]",
            features="{a: false, b: true}",
        )
    )

    planned = console.plan()
    applied = console.apply("--json")

    assert planned.out.splitlines() == [
        "~ initech: change",
        "    name: Initech GmbH → Initech SE",
        "    domains: initech.localhost → www.initech.localhost, initech.localhost",
        "    limits.connections: 10 → the default",
        "    features.a: true → false",
        "    features.b: + true",
        "    admins: + boss@initech.example",
        "1 to change; 0 unchanged",
        "left alone, because the file does not name them: acme, globex",
    ]
    assert (applied.code, applied.json["failed"]) == (0, 0)
    changed = selectors.get_tenant(slug="initech")
    assert [domain.domain for domain in changed.domains.all()] == [
        "www.initech.localhost",
        "initech.localhost",
    ]
    assert (changed.name, changed.limits.connections) == ("Initech SE", None)
    assert console.plan("--detailed-exitcode").code == 0


def test_who_registers_is_declared_and_left_out_nobody_does(console: Console) -> None:
    def let_in() -> list[str]:
        made = selectors.get_tenant(slug="initech")
        return registering.list_email_domains(tenant_ids=[made.id]).get(made.id, [])

    declared = "{email_domains: [initech.example, initech.test]}"
    console.declare(tenant("initech", registration=declared))
    assert console.apply().code == 0
    assert let_in() == ["initech.example", "initech.test"]
    assert console.plan("--detailed-exitcode").code == 0

    console.declare(tenant("initech", registration="{email_domains: [Initech.example]}"))
    refused = console.apply()
    assert (refused.code, let_in()) == (1, ["initech.example", "initech.test"])
    assert "in lower case" in refused.err

    console.declare(tenant("initech"))
    assert "registration.email_domains" in console.plan().out
    assert console.apply().code == 0
    assert let_in() == []


def test_state_is_declared_or_left_as_it_is(console: Console) -> None:
    console.declare(tenant("initech", state="suspended"))
    assert console.apply().code == 0
    made_suspended = selectors.get_tenant(slug="initech").state
    console.declare(tenant("initech"))
    left = console.plan()
    console.declare(tenant("initech", state="active"))
    resumed = console.apply()

    assert made_suspended == TenantState.SUSPENDED
    assert left.out.startswith("no changes")
    assert "▶ initech: resume\n    state: suspended → active" in resumed.out
    assert selectors.get_tenant(slug="initech").state == TenantState.ACTIVE


def test_what_the_database_forbids_is_said_with_lines(console: Console) -> None:
    console.declare(
        tenant("initech", domains="[acme.localhost]"),
        tenant("umbrella", domains="[globex.localhost]"),
    )

    refused = console.apply()

    assert refused.code == 1
    assert ":3: tenants[0].domains[0]: acme.localhost leads to the tenant acme" in refused.err
    assert ":4: tenants[1].domains[0]: globex.localhost leads to the tenant globex" in refused.err
    with context.operator():
        assert not Tenant.objects.filter(slug__in=["initech", "umbrella"]).exists()


@pytest.mark.parametrize(
    ("state", "said"),
    [(TenantState.ARCHIVED, "this tenant is archived"), (TenantState.DELETED, "is being deleted")],
)
def test_a_slug_of_another_state_is_refused(
    console: Console, acme: TenantIdentity, state: TenantState, said: str
) -> None:
    with context.operator():
        Tenant.objects.filter(id=acme.id).update(state=state)
    console.declare(tenant("acme"))

    refused = console.plan()

    assert refused.code == 1
    assert f":3: tenants[0].slug: {said}" in refused.err.replace("a tenant of this name ", "")


def test_missing_secrets_are_listed_before_anything_changes(console: Console) -> None:
    console.declare(
        tenant("initech", auth=secret("{env: NOT_SET_ANYWHERE}")),
        tenant("umbrella", auth=secret("{file: not-there}")),
        tenant("hooli", auth=secret("{file: short}")),
    )
    (console.file.parent / "short").write_text("hunter2\n")

    refused = console.apply()

    assert refused.code == 1
    assert (
        ":3: tenants[0].auth.secrets.admin_password: the variable NOT_SET_ANYWHERE" in refused.err
    )
    assert ":4: tenants[1].auth.secrets.admin_password: the file not-there" in refused.err
    assert ":5: tenants[2].auth.secrets.admin_password: the password is not accept" in refused.err
    assert "hunter2" not in refused.out + refused.err
    with context.operator():
        assert not Tenant.objects.filter(slug="initech").exists()


def test_the_first_administrator_signs_in_with_the_password_referred_to(
    console: Console, api: Callable[..., Api]
) -> None:
    (console.file.parent / "password").write_text("a password for the first one\n")
    console.declare(
        tenant(
            "initech",
            admins="[first@initech.example, second@initech.example]",
            auth=secret("{file: password}"),
        )
    )

    applied = console.apply()
    client = api(selectors.get_tenant(slug="initech").identity)

    assert applied.code == 0, applied.err
    assert "a password for" not in applied.out + applied.err
    for email, status in (("first@initech.example", 200), ("second@initech.example", 401)):
        answer = client.post(
            "auth/login/", {"email": email, "password": "a password for the first one"}
        )
        assert answer.status_code == status, answer.content


def test_setup_is_planted_once(console: Console) -> None:
    console.declare(tenant("initech"))
    assert console.apply().code == 0
    console.declare(tenant("initech", setup="[dev_demo_data]"))

    planted = console.apply()
    again = console.apply()

    assert "setup: + dev_demo_data" in planted.out
    assert again.out.startswith("no changes")
    with context.tenant(selectors.get_tenant(slug="initech").identity):
        assert Vendor.objects.count() == 3


def test_development_seeds_are_refused_in_production(console: Console, settings: Any) -> None:
    settings.ENVIRONMENT_NAME = "production"
    console.declare(tenant("initech", setup="[dev_demo_data]"))

    refused = console.plan()

    assert refused.code == 1
    assert "tenants[0].setup[0]: is not for production" in refused.err


def test_prune_archives_only_with_its_own_confirmation(
    console: Console, acme: TenantIdentity
) -> None:
    console.declare(tenant("initech"), tenant("acme", name="acme"))
    assert console.apply().code == 0
    console.declare(tenant("acme", name="acme"))
    with context.tenant(selectors.get_tenant(slug="initech").identity):
        Vendor.objects.create(name="Kept", created_by=uuid4())

    unconfirmed = console.apply("--prune")
    miscounted = console.apply("--prune", "--confirm-prune", "1")
    confirmed = console.apply("--prune", "--confirm-prune", "2")

    assert (unconfirmed.code, miscounted.code) == (1, 1)
    assert "--confirm-prune 2" in unconfirmed.err
    assert "2 tenants would be archived" in miscounted.err
    assert confirmed.code == 0, confirmed.err
    pruned = selectors.get_tenant(slug="initech")
    assert (pruned.state, pruned.state_reason) == (TenantState.ARCHIVED, "No longer declared.")
    assert selectors.get_tenant(slug="acme").state == TenantState.ACTIVE
    with context.tenant(pruned.identity):
        assert [vendor.name for vendor in Vendor.objects.all()] == ["Kept"]


def test_without_a_terminal_nothing_is_applied_unasked(console: Console) -> None:
    console.declare(tenant("initech"))

    refused = console.run("apply", "-f", str(console.file))

    assert refused.code == 1
    assert "give --yes" in refused.err
    with context.operator():
        assert not Tenant.objects.filter(slug="initech").exists()


def test_one_that_fails_does_not_stop_the_others_and_is_completed(console: Console) -> None:
    broken = schema_that_is_in_the_way("t_initech")
    console.declare(*(tenant(slug) for slug in ("hooli", "initech", "umbrella")))

    failed = console.apply("--json")
    shown = console.run("show", "initech")
    broken.remove()
    completed = console.apply()

    assert failed.code == 1
    assert "failed: initech" in failed.err
    assert [(found["slug"], found["ok"]) for found in failed.json["results"]] == [
        ("hooli", True),
        ("initech", False),
        ("umbrella", True),
    ]
    assert "last_error       The schema t_initech belongs to somebody else." in shown.out
    assert "+ initech: complete\n    state: failed → active" in completed.out
    assert completed.code == 0, completed.err
    assert selectors.get_tenant(slug="initech").last_error == ""


def test_one_that_fails_is_undone_when_asked(console: Console) -> None:
    owner = configured.DATABASES["migration"]["USER"]
    schema_that_is_in_the_way("t_initech", owner=owner)
    console.declare(tenant("initech"), tenant("hooli"))

    failed = console.apply("--undo-failed")
    active = console.run("undo-failed", "hooli")

    assert failed.code == 1
    assert "initech: FAILED (undone)" in failed.out
    with context.operator(), connection.cursor() as cursor:
        assert not Tenant.objects.filter(slug="initech").exists()
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 't_initech'")
        assert cursor.fetchone()[0] == 0
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE %s", ["%t_initech"])
        assert cursor.fetchone()[0] == 0
    assert active.code == 1
    assert "Only a tenant whose provisioning failed" in active.err
    assert selectors.get_tenant(slug="hooli").state == TenantState.ACTIVE


def test_a_second_apply_is_refused_meanwhile(console: Console) -> None:
    console.declare(tenant("initech"))

    def apply() -> Ended:
        return console.apply()

    ended = [end for end in at_once([apply, apply, apply]) if isinstance(end, Ended)]

    assert len(ended) == 3
    assert all(end.code == 0 or "Another apply is running" in end.err for end in ended), ended
    assert sum("1 applied" in end.out for end in ended) == 1


def test_create_is_a_declaration_of_one(console: Console) -> None:
    arguments = ("--name", "Initech", "--domain", "initech.localhost", "--admin-email")

    wrong = console.run("create", "initech", *arguments, "nobody")
    made = console.run("create", "initech", *arguments, "a@initech.example", "--json")
    again = console.run("create", "initech", *arguments, "a@initech.example")

    assert (wrong.code, wrong.err) == (
        1,
        "admins[0]: This is not an e-mail address; nothing was changed",
    )
    assert made.code == 0, made.err
    assert made.json["state"] == "active"
    assert (again.code, "exists" in again.err) == (1, True)


def test_suspend_and_resume_count_from_the_next_request(
    console: Console, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    client = api(acme, "viewer")

    suspended = console.run("suspend", "acme", "--reason", "Unpaid since May")
    refused = client.get("invoices/")
    silent = console.run("resume", "acme", "--reason", "  ")
    resumed = console.run("resume", "acme", "--reason", "Paid")
    served = client.get("invoices/")

    assert suspended.code == 0, suspended.err
    assert refused.status_code == 403
    assert refused.json()["details"] == {"reason": "Unpaid since May"}
    assert (silent.code, "A reason is needed" in silent.err) == (1, True)
    assert (resumed.code, served.status_code) == (0, 200)
