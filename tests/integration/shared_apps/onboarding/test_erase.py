"""One person out of the whole installation, and nobody else's data."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql

from shared_apps.accounts import selectors as people
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.models import User
from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.authn import recognition
from shared_apps.authn.backends.base import Configuration
from shared_apps.authn.backends.directory import DirectoryPerson
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.erasing import cases
from shared_apps.onboarding.models import Erasure, Run, TenantErasure
from shared_apps.tenants.models import Tenant
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.integration.shared_apps.onboarding.erasing import (
    NAME,
    Everywhere,
    erase,
    everything_holding,
    lines,
    make_person_everywhere,
    make_vendor,
)
from tests.people import make_person

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Ends itself with SIGKILL when it has come to the named point.
_KILLED = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from shared_apps.core import attribution, context
from shared_apps.onboarding.erasing import erasing

def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

point, email = sys.argv[1:]
if point == "before the account is withdrawn":
    erasing.accounts.withdraw = kill
elif point == "before the first tenant":
    erasing._erase_tenant = kill
elif point == "after acme's rows, before their record":
    real = erasing._record
    erasing._record = lambda erasure, tenant_id, lines, at: (
        kill() if lines[0].table.startswith("invoicing") else real(erasure, tenant_id, lines, at)
    )
elif point == "between two tenants":
    real = erasing._erase_tenant
    erasing._erase_tenant = lambda tenant, *a: kill() if tenant.slug == "globex" else real(tenant, *a)
elif point == "before the account loses its name":
    erasing.accounts.anonymise = kill
elif point == "before the keys are destroyed":
    erasing.destroying.destroy = kill
elif point == "after the keys are destroyed, before that is recorded":
    real = erasing.destroying.destroy
    erasing.destroying.destroy = lambda subjects: kill(real(subjects))
with context.operator(), attribution.acting(attribution.command("erase-person")):
    call_command("erase-person", email, "--yes")
"""
POINTS = [
    "before the account is withdrawn", "before the first tenant",
    "after acme's rows, before their record", "between two tenants",
    "before the account loses its name",
]  # fmt: skip


@pytest.fixture
def person(made: None, acme: TenantIdentity, globex: TenantIdentity) -> Everywhere:
    return make_person_everywhere(acme, globex)


def vendor_emails(tenant: TenantIdentity) -> dict[Any, str]:
    with context.tenant(tenant):
        return dict(Vendor.objects.values_list("id", "email"))


def account(person: Everywhere) -> User:
    user = people.find_user(user_id=person.id)
    assert user is not None
    return user


def test_everything_goes_and_nothing_of_anybody_else(
    person: Everywhere, acme: TenantIdentity, globex: TenantIdentity, system: Installation,
    api: Callable[..., Api],
) -> None:  # fmt: skip
    namesake = make_vendor(globex, "max.mustermann@elsewhere.example", NAME)
    neighbour = make_vendor(acme, f"jo{person.email}")
    colleague = make_person(acme, "editor")
    staying = api(acme, "admin")
    assert set(everything_holding(system, person.email)) >= {
        "public.accounts_user", "t_acme.invoicing_vendor",
    }  # fmt: skip

    ended = erase(person.email.title(), "--yes", "--json")

    assert ended.code == 0, ended.err
    report = ended.json
    assert (report["state"], report["person"]) == ("erased", str(person.id))
    assert person.email not in ended.out.lower()
    parts = {part["slug"]: lines(part) for part in report["tenants"]}
    assert parts == {
        "acme": {
            ("authn_session", "deleted"): 1, ("accounts_usertenantrole", "deleted"): 1,
            ("accounts_crosstenantgrant", "deleted"): 1, ("invoicing_vendor", "kept"): 1,
            ("invoicing_vendor", "emptied"): 1,
        },
        "globex": {
            ("authn_session", "deleted"): 1, ("accounts_usertenantrole", "deleted"): 1,
            ("accounts_crosstenantgrant", "deleted"): 1,
        },
    }  # fmt: skip
    assert {line["table"]: line["rows"] for line in report["installation"]} == {
        "authn_session": 1, "accounts_user": 1,
    }  # fmt: skip

    for client in (person.at_acme, person.at_globex, person.at_public):
        assert client.get("auth/user/").status_code == 401
        refresh = {"refresh": client.tokens["refresh"]}
        assert client.post("auth/refresh/", refresh).status_code == 401
        again = {"email": person.email, "password": PASSWORD}
        assert client.post("auth/login/", again).status_code == 401
    assert staying.get("auth/user/").status_code == 200
    # What still holds the text is the neighbour's, whose address only ends like this one.
    assert everything_holding(system, person.email) == ["t_acme.invoicing_vendor"]
    assert vendor_emails(acme) == {person.vendor: "", neighbour: f"jo{person.email}"}
    assert vendor_emails(globex) == {namesake: "max.mustermann@elsewhere.example"}
    assert people.find_user(user_id=colleague.id).email == colleague.email  # type: ignore[union-attr]
    gone = account(person)
    assert (gone.email, gone.name, gone.is_active) == (f"erased:{person.id}", "", False)
    assert not gone.has_usable_password()
    with system.owner() as owner:
        role = owner.execute(
            "SELECT 1 FROM pg_roles WHERE rolname LIKE %s", [f"%{person.id.hex}"]
        ).fetchone()
    assert role is None


def test_kept_rows_have_reason_ground_and_key(person: Everywhere) -> None:
    report = erase(person.email, "--yes", "--json").json
    (kept,) = [
        line for part in report["tenants"] for line in part["lines"] if line["action"] == "kept"
        and "email" not in line["columns"] and line["columns"] == ["name", "vat_id", "address"]
    ]  # fmt: skip
    assert kept["records"] == [str(person.vendor)]
    assert "Art. 17(3)(b)" in kept["ground"]
    assert "issued invoices" in kept["reason"]


def test_the_trail_says_that_it_was_done_and_no_list_says_who(
    person: Everywhere, acme: TenantIdentity, globex: TenantIdentity, system: Installation,
    api: Callable[..., Api],
) -> None:  # fmt: skip
    system.relay()
    by_person = f"modified_by={person.id}"
    admin = api(acme, "admin")
    before = admin.get(f"audit/entries/?{by_person}&entity_type=invoicing.vendor").json()["results"]
    assert [entry["modified_by_email"] for entry in before] == [person.email]

    erasure = erase(person.email, "--yes", "--json").json["erasure"]
    system.relay()

    after = admin.get(f"audit/entries/?{by_person}&entity_type=invoicing.vendor").json()["results"]
    assert [entry["modified_by_email"] for entry in after] == [None]
    assert person.email not in json.dumps(admin.get("users/").json())
    for tenant in (acme, globex):
        where = EntryFilter(request_id=erasure)
        entries = list_entries(tenant_id=tenant.id, where=where, limit=500)
        said = [entry for entry in entries if entry.entity_type == "onboarding.tenanterasure"]
        assert said
        assert {entry.modified_by for entry in entries} == {"system:command:erase-person"}
        for entry in said:
            assert person.email not in f"{entry.old_values}{entry.new_values}".lower()
            assert json.loads(entry.new_values or "")["user_id"] == str(person.id)


def test_the_address_is_free_and_brings_nothing_back(
    person: Everywhere, acme: TenantIdentity
) -> None:
    assert erase(person.email, "--yes").code == 0
    member = accounts.create_person(
        tenant_id=acme.id, email=person.email, name="", role=Role.VIEWER, password=PASSWORD,
        by=None, at=NOW,
    )  # fmt: skip
    assert member.user_id != person.id
    fresh = Api(acme)
    fresh.sign_in(person.email, PASSWORD)
    assert person.at_acme.get("auth/user/").status_code == 401

    report = erase(person.email, "--yes", "--json").json

    assert report["person"] == str(member.user_id)
    assert {part["slug"] for part in report["tenants"]} == {"acme"}
    with context.operator():
        assert Erasure.objects.filter(finished_at__isnull=False).count() == 2


@pytest.mark.parametrize(
    "point",
    ["before the keys are destroyed", "after the keys are destroyed, before that is recorded"],
)
def test_killed_at_the_keys_it_is_taken_up_again(
    person: Everywhere, acme: TenantIdentity, system: Installation, point: str
) -> None:
    """The account has no name any more, so it is found by the record of the erasure alone."""
    system.relay()
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, point, person.email],
        cwd=ROOT, env=os.environ, timeout=240, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    assert account(person).email == f"erased:{person.id}"
    assert len(cases.find_unfinished()) == 1
    # What was changed up to here is moved before the same command comes again.
    system.relay()
    where = EntryFilter(record_id=str(person.vendor))
    (last,) = list_entries(tenant_id=acme.id, where=where, limit=1)
    assert json.loads(last.diff)["email"] == {"old": {"erased": True}, "new": ""}

    ended = erase(person.email, "--yes", "--json")

    assert ended.code == 0, ended.err
    unreadable = [
        line["rows"] for line in ended.json["installation"] if line["action"] == "unreadable"
    ]
    assert unreadable == [5], "account, vendor and three sign-ins; not those of the erasure"
    entries = list_entries(tenant_id=acme.id, where=where, limit=10)
    assert person.email not in str(entries).lower()
    assert cases.find_unfinished() == []


@pytest.mark.parametrize("point", POINTS)
def test_killed_it_is_taken_up_again(
    person: Everywhere, acme: TenantIdentity, globex: TenantIdentity, system: Installation,
    point: str,
) -> None:  # fmt: skip
    make_vendor(globex, person.email)
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED, point, person.email],
        cwd=ROOT, env=os.environ, timeout=60, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    is_begun = point != POINTS[0]
    expected = 401 if is_begun else 200
    assert person.at_acme.get("auth/user/").status_code == expected
    assert len(cases.find_unfinished()) == is_begun
    assert account(person).email == person.email

    ended = erase(person.email, "--yes", "--json")

    assert ended.code == 0, ended.err
    parts = {part["slug"]: lines(part) for part in ended.json["tenants"]}
    for slug in ("acme", "globex"):
        assert parts[slug][("invoicing_vendor", "emptied")] == 1
        assert parts[slug][("authn_session", "deleted")] == 1
        assert parts[slug][("accounts_usertenantrole", "deleted")] == 1
    assert everything_holding(system, person.email) == []
    with context.operator():
        assert Erasure.objects.count() == 1
        assert TenantErasure.objects.count() == 2

    assert cases.find_unfinished() == []
    third = erase(person.email, "--yes", "--json")
    assert (third.code, third.json["state"]) == (0, "erased")
    actions = {action for part in third.json["tenants"] for _, action in lines(part)}
    assert actions == {"kept"}


def test_a_tenant_that_fails_does_not_keep_the_others(
    person: Everywhere, acme: TenantIdentity, globex: TenantIdentity, system: Installation
) -> None:
    make_vendor(globex, person.email)
    table, role = sql.Identifier(acme.schema, "invoicing_vendor"), sql.Identifier(acme.role)
    with system.owner() as owner:
        owner.execute(sql.SQL("REVOKE UPDATE ON {} FROM {}").format(table, role))
    try:
        ended = erase(person.email, "--yes", "--json")
        assert ended.code == 1
        assert "acme" in ended.err
        assert ended.json["state"] == "incomplete"
        errors = {part["slug"]: part["error"] for part in ended.json["tenants"]}
        assert "permission denied" in errors["acme"]
        assert errors["globex"] == ""
        assert set(vendor_emails(globex).values()) == {""}
        assert account(person).email == person.email
        assert person.at_globex.get("auth/user/").status_code == 401
    finally:
        with system.owner() as owner:
            owner.execute(sql.SQL("GRANT UPDATE ON {} TO {}").format(table, role))

    again = erase(person.email, "--yes", "--json")

    assert again.code == 0, again.err
    assert everything_holding(system, person.email) == []


@pytest.mark.parametrize("state", ["SUSPENDED", "ARCHIVED", "FAILED"])
def test_tenants_that_are_not_served_are_emptied_too(
    person: Everywhere, globex: TenantIdentity, state: str
) -> None:
    make_vendor(globex, person.email)
    with context.operator():
        Tenant.objects.filter(id=globex.id).update(state=state)
    assert erase(person.email, "--yes").code == 0
    assert list(vendor_emails(globex).values()) == [""]


def test_a_schema_that_is_behind_is_no_obstacle(
    person: Everywhere, globex: TenantIdentity, system: Installation
) -> None:
    table = sql.Identifier(globex.schema, "invoicing_vendor")
    with system.owner() as owner:
        owner.execute(sql.SQL("ALTER TABLE {} RENAME COLUMN email TO not_there_yet").format(table))
    try:
        ended = erase(person.email, "--yes")
    finally:
        with system.owner() as owner:
            owner.execute(
                sql.SQL("ALTER TABLE {} RENAME COLUMN not_there_yet TO email").format(table)
            )
    assert ended.code == 0, ended.err


def test_texts_that_mention_the_address_lose_it_alone(person: Everywhere) -> None:
    local, _, domain = person.email.partition("@")
    declared = {"admins": [person.email.upper(), f"jo{person.email}", f"{person.email}.uk"]}
    with context.operator():
        run = Run.objects.create(
            declared=declared, created_at=NOW, error=f"'{person.email}': no. o'{person.email}"
        )
    assert erase(person.email, "--yes").code == 0
    with context.operator():
        found = Run.objects.get(id=run.id)
    assert found.declared == {"admins": ["erased", f"jo{person.email}", f"{person.email}.uk"]}
    assert found.error == f"'erased': no. o'{local}@{domain}"


def test_the_plan_counts_and_changes_nothing(
    person: Everywhere, acme: TenantIdentity, system: Installation
) -> None:
    planned = erase(person.email, "--plan", "--json")
    assert planned.code == 0, planned.err
    assert planned.json["state"] == "planned"
    assert person.at_acme.get("auth/user/").status_code == 200
    assert vendor_emails(acme) == {person.vendor: person.email.upper()}
    with context.operator():
        assert Erasure.objects.count() == 0

    done = erase(person.email, "--yes", "--json")

    def counted(report: Any) -> dict[str, Any]:
        return {part["slug"]: lines(part) for part in report["tenants"]}

    assert counted(planned.json) == counted(done.json)


@pytest.mark.parametrize("email", ["nobody@example.com", "no address", "", "@", "max%@example.com"])
def test_an_unknown_address_is_an_error(
    made: None, acme: TenantIdentity, globex: TenantIdentity, email: str
) -> None:
    for option in ("--yes", "--plan"):
        ended = erase(email, option)
        assert ended.code == 1
        assert ended.out == ""
    with context.operator():
        assert Erasure.objects.count() == 0


def test_somebody_without_an_account_is_erased_too(
    made: None, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    make_vendor(globex, " Contact@Partner.example ")
    ended = erase("contact@partner.example", "--yes", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["person"] is None
    assert list(vendor_emails(globex).values()) == [""]


def test_who_gets_an_account_while_their_erasure_is_stopped_is_still_meant(
    made: None, acme: TenantIdentity, globex: TenantIdentity, system: Installation
) -> None:
    """Otherwise the one that was begun could never be finished."""
    email = "contact@partner.example"
    make_vendor(globex, email)
    table, role = sql.Identifier(globex.schema, "invoicing_vendor"), sql.Identifier(globex.role)
    with system.owner() as owner:
        owner.execute(sql.SQL("REVOKE UPDATE ON {} FROM {}").format(table, role))
    try:
        assert erase(email, "--yes").code == 1
    finally:
        with system.owner() as owner:
            owner.execute(sql.SQL("GRANT UPDATE ON {} TO {}").format(table, role))
    member = accounts.create_person(
        tenant_id=acme.id, email=email, name="", role=Role.VIEWER, password=PASSWORD, by=None, at=NOW
    )  # fmt: skip

    ended = erase(email, "--yes", "--json")

    assert (ended.code, ended.json["person"]) == (0, str(member.user_id))
    assert cases.find_unfinished() == []
    assert everything_holding(system, email) == []


def test_without_a_terminal_and_without_yes_nothing_happens(person: Everywhere) -> None:
    ended = erase(person.email)
    assert ended.code == 1
    assert "Nothing was changed" in ended.err
    assert person.at_acme.get("auth/user/").status_code == 200


def test_the_last_administrator_and_operator_are_refused(
    made: None, acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    admin = api(acme, "admin")
    with context.operator():
        before = list(User.objects.order_by("id").values())
    refused = erase("admin@acme.example", "--yes")
    assert refused.code == 1
    assert "acme" in refused.err
    assert erase("admin@acme.example", "--yes", "--allow-orphaned", "globex").code == 1
    operator = erase("operator@example.com", "--yes")
    assert operator.code == 1
    assert "operates" in operator.err
    assert admin.get("auth/user/").status_code == 200
    with context.operator():
        assert list(User.objects.order_by("id").values()) == before
        assert Erasure.objects.count() == 0
    planned = erase("admin@acme.example", "--plan", "--json").json
    assert planned["warnings"] == [
        "acme would be left without an administrator (--allow-orphaned acme)"
    ]


def test_the_last_administrator_goes_when_it_is_meant(
    made: None, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    lonely = make_person(globex, "admin")
    assert erase(lonely.email, "--yes").code == 0, "there is another administrator"


def test_the_report_is_for_its_owner_and_never_over_another_file(
    person: Everywhere, tmp_path: Path
) -> None:
    path = tmp_path / "report.json"
    path.write_text("mine")
    assert erase(person.email, "--yes", "--report", str(path)).code == 1
    assert erase(person.email, "--yes", "--report", str(tmp_path / "no" / "x")).code == 1
    assert path.read_text() == "mine"
    assert person.at_acme.get("auth/user/").status_code == 200

    written = tmp_path / "new.json"
    ended = erase(person.email, "--yes", "--json", "--report", str(written))

    assert ended.code == 0
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert json.loads(written.read_text()) == ended.json


_GIVEN_LATE = """
    CREATE FUNCTION public.given_late() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = public, pg_temp AS $$ BEGIN
        INSERT INTO accounts_usertenantrole (id, tenant_id, user_id, role, granted_at)
        VALUES (gen_random_uuid(), '{acme}', '{person}', '{role}', now());
        RETURN NULL;
    END $$;
    CREATE TRIGGER given_late AFTER INSERT ON public.onboarding_tenanterasure
    FOR EACH ROW WHEN (NEW.tenant_id = '{globex}') EXECUTE FUNCTION public.given_late()
"""


def test_a_role_that_is_given_while_it_runs_goes_as_well(
    person: Everywhere, acme: TenantIdentity, globex: TenantIdentity, system: Installation
) -> None:
    """In acme, which it has visited, while it is at globex."""
    with system.owner() as owner:
        owner.execute(
            _GIVEN_LATE.format(
                acme=acme.id, globex=globex.id, person=person.id, role=Role.ADMIN.value
            )  # type: ignore[call-overload]  # of the test
        )
    try:
        assert erase(person.email, "--yes").code == 0
    finally:
        with system.owner() as owner:
            owner.execute("DROP FUNCTION public.given_late() CASCADE")
    assert people.find_member(tenant_id=acme.id, user_id=person.id) is None


def test_who_is_only_said_to_have_the_address_is_counted_and_stays(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """A directory of globex cannot have its own account taken for the person, nor hide that it is there."""
    person = make_person(acme, "editor")
    claimant = recognition.recognise(
        Configuration(globex.id, "openldap", uuid4(), {"default_role": "viewer"}, {}),
        DirectoryPerson("1", "mallory", person.email, "Mallory", frozenset()),
    )

    erased = erase(person.email, "--yes")

    assert erased.code == 0, erased.err
    assert "1 accounts of tenants' directories claim this address and stay" in erased.err
    with context.operator():
        assert User.objects.get(id=person.id).erased_at is not None
        kept = User.objects.get(id=claimant.id)
        assert (kept.email, kept.is_active, kept.erased_at) == (person.email, True, None)
