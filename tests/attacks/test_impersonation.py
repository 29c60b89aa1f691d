"""Support at work in somebody's name: who may, how far, who hears of it, and when it ends."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.accounts import cross_tenant_roles, disabling
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import CrossTenantRole
from shared_apps.audit.selectors import Entry, EntryFilter, list_entries
from shared_apps.authn.impersonation import services
from shared_apps.authn.models import Impersonation, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.people import Person, add_role, make_auditor, make_person

ApiFactory = Callable[..., Api]
REASON = "ticket 4711: totals look wrong"


@pytest.fixture
def consent(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    """Both tenants have agreed."""
    switch(acme, is_on=True)
    switch(globex, is_on=True)
    yield
    switch(acme, is_on=None)
    switch(globex, is_on=None)


def switch(tenant: TenantIdentity, *, is_on: Any) -> None:
    features = {} if is_on is None else {"support_access": is_on}
    with context.operator():
        Tenant.objects.filter(id=tenant.id).update(features=features)


@pytest.fixture
def supporter(acme: TenantIdentity) -> Person:
    return make_supporter(acme)


def make_supporter(*tenants: TenantIdentity) -> Person:
    person = make_auditor()
    for tenant in tenants:
        grant(person, tenant)
    return person


def grant(person: Person, tenant: TenantIdentity, role: str = "support") -> None:
    cross_tenant_roles.grant_role(
        tenant_id=tenant.id, user_id=person.id, role=CrossTenantRole(role), by=None,
        at=datetime.now(UTC),
    )  # fmt: skip


def desk(person: Person) -> Api:
    """At the public host."""
    client = Api(None)
    client.sign_in(person.email, PASSWORD)
    return client


def begin(client: Api, whom: Person, **changes: Any) -> Any:
    body = {"tenant": "acme", "user": str(whom.id), "reason": REASON, "minutes": 30}
    return client.post("portfolio/impersonations/", {**body, **changes})


def at_work(tenant: TenantIdentity, client: Api, whom: Person, **changes: Any) -> Api:
    """At the tenant's host, in the person's name."""
    answer = begin(client, whom, tenant=tenant.slug, **changes)
    assert answer.status_code == 201, answer.content
    working = Api(tenant)
    working.tokens = answer.json()
    working.headers = {"authorization": f"Bearer {answer.json()['access']}"}
    return working


def count() -> tuple[int, int]:
    with context.operator():
        sessions = Session.objects.filter(backend="impersonation").count()
        return Impersonation.objects.count(), sessions


def entries_of(system: Installation, tenant: TenantIdentity, kind: str, id: str) -> list[Entry]:
    """Newest first."""
    system.relay()
    where = EntryFilter(entity_type=kind, record_id=id)
    return list_entries(tenant_id=tenant.id, where=where, limit=100)


@pytest.mark.usefixtures("consent")
def test_reading_in_somebodys_name_is_told_to_everybody(
    system: Installation, acme: TenantIdentity, supporter: Person
) -> None:
    editor, client = make_person(acme), desk(supporter)

    answer = begin(client, editor)

    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {
        "id", "tenant", "user", "impersonated_by", "reason", "write", "started_at", "ends_at",
        "ended_at", "access", "expires_in",
    }  # fmt: skip
    assert body["user"] == {"id": str(editor.id), "email": editor.email}
    assert (body["expires_in"], body["write"], body["tenant"]) == (1800, False, "acme")
    working = Api(acme)
    working.headers = {"authorization": f"Bearer {body['access']}"}
    me = working.get("auth/user/")
    assert me["X-Impersonated-By"] == supporter.email
    assert (me.json()["email"], me.json()["permissions"]) == (editor.email, ["read"])
    assert me.json()["impersonation"] == {
        "impersonated_by": {"id": str(supporter.id), "email": supporter.email},
        "reason": REASON, "ends_at": body["ends_at"], "write": False,
    }  # fmt: skip
    assert working.get("vendors/").status_code == 200
    refused = working.post("vendors/", {"name": "Paper AG"})
    assert (refused.status_code, refused["X-Impersonated-By"]) == (403, supporter.email)
    assert "X-Impersonated-By" not in Api(acme).get("auth/user/")
    [begun] = entries_of(system, acme, "authn.impersonation", body["id"])
    assert (begun.operation, begun.modified_by) == ("CREATE", str(supporter.id))


@pytest.mark.usefixtures("consent")
def test_what_is_written_names_both(
    system: Installation, acme: TenantIdentity, supporter: Person
) -> None:
    editor = make_person(acme)
    working = at_work(acme, desk(supporter), editor, write=True)

    made = working.post("vendors/", {"name": "Paper AG"})
    assert made.status_code == 201
    started = working.tokens["id"]
    for kind, id in (("invoicing.vendor", made.json()["id"]), ("authn.impersonation", started)):
        [entry] = entries_of(system, acme, kind, id)
        assert entry.modified_by == str(supporter.id)
        assert json.loads(entry.attribution)["on_behalf_of"] == str(editor.id)


@pytest.mark.usefixtures("consent")
def test_nothing_that_is_a_persons_own_and_nothing_of_administrators(
    acme: TenantIdentity, supporter: Person
) -> None:
    editor = make_person(acme)
    working = at_work(acme, desk(supporter), editor, write=True)
    session = uuid4()

    own = [
        working.get("auth/sessions/"),
        working.delete(f"auth/sessions/{session}/"),
        working.get("auth/password/info/"),
        working.post("auth/password/change/", {"old_password": PASSWORD, "new_password": "x" * 20}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in own] == [
        (403, "authn.impersonated")
    ] * 4
    others = [
        working.get("users/"),
        working.patch(f"users/{editor.id}/role/", {"role": "admin"}),
        working.post("roles/", {"name": "mine", "permissions": ["read"]}),
        working.get("audit/export/"),
        working.get("audit/entries/"),
        working.get("impersonations/"),
    ]
    assert [answer.status_code for answer in others] == [403] * 6
    Api(acme).sign_in(editor.email, PASSWORD)


@pytest.mark.usefixtures("consent")
def test_there_is_nothing_to_refresh_and_no_way_further(
    acme: TenantIdentity, globex: TenantIdentity, supporter: Person
) -> None:
    editor = make_person(acme)
    add_role(editor, globex, "editor")
    working = at_work(acme, desk(supporter), editor)
    access = working.tokens["access"]

    assert "refresh" not in working.tokens
    for host in (acme, globex, None):
        assert Api(host).post("auth/refresh/", {"refresh": access}).status_code == 401
    for elsewhere in (Api(globex), Api(None)):
        elsewhere.headers = working.headers
        assert elsewhere.get("auth/user/").status_code == 401
        assert begin(elsewhere, editor).status_code in (401, 404)
    assert working.post("portfolio/impersonations/", {}).status_code == 404
    assert count() == (1, 1)


@pytest.mark.parametrize("is_on", [None, False, "true", 1])
def test_without_the_tenants_consent_nobody_is_let_in(
    acme: TenantIdentity, supporter: Person, is_on: Any
) -> None:
    editor, client = make_person(acme), desk(supporter)
    switch(acme, is_on=is_on)
    try:
        answer = begin(client, editor)
    finally:
        switch(acme, is_on=None)

    assert (answer.status_code, answer.json()["code"]) == (403, "authn.support_access_off")
    assert count() == (0, 0)


@pytest.mark.usefixtures("consent")
def test_who_may_not_begin(acme: TenantIdentity, globex: TenantIdentity) -> None:
    editor = make_person(acme)
    of_globex, auditor = make_supporter(globex), make_auditor(acme)
    of_both = make_supporter(globex)
    grant(of_both, acme, "auditor")
    operator = Api(None)
    operator.sign_in("operator@example.com", PASSWORD)

    # A tenant that was not granted for support is as good as none.
    for client in (desk(of_globex), desk(of_both)):
        answer = begin(client, editor)
        assert (answer.status_code, answer.json()["code"]) == (404, "tenants.not_found")
        unknown = begin(client, editor, tenant="nowhere")
        assert unknown.json()["code"] == answer.json()["code"]
    assert begin(desk(auditor), editor).status_code == 403
    assert begin(operator, editor).status_code == 403
    assert begin(Api(None), editor).status_code == 401
    assert count() == (0, 0)


@pytest.mark.usefixtures("consent")
def test_in_whose_name_nobody_works(
    acme: TenantIdentity, globex: TenantIdentity, supporter: Person
) -> None:
    client, admin = desk(supporter), make_person(acme, "admin")
    operator = Person(accounts_id("operator@example.com"), "operator@example.com")
    disabled, stranger = make_person(acme), make_person(globex)
    disabling.disable_member(tenant_id=acme.id, user_id=disabled.id, by=None)
    add_role(operator, acme, "viewer")
    add_role(supporter, acme, "editor")
    try:
        for whom in (admin, operator, supporter):
            answer = begin(client, whom)
            assert (answer.status_code, answer.json()["code"]) == (403, "authn.not_impersonable")
        for whom in (disabled, stranger, Person(uuid4(), "")):
            answer = begin(client, whom)
            assert (answer.status_code, answer.json()["code"]) == (404, "accounts.person_not_found")
        assert begin(client, stranger, user=stranger.email).status_code == 404
    finally:
        accounts.revoke_role(tenant_id=acme.id, user_id=operator.id, by=None)
    assert count() == (0, 0)


def accounts_id(email: str) -> Any:
    from shared_apps.accounts import selectors

    user = selectors.find_user_by_email(email=email)
    assert user is not None
    return user.id


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "too short"}, {"reason": "x" * 501}, {"reason": " " * 20}, {"minutes": 4},
        {"minutes": 61}, {"minutes": -5}, {"minutes": "soon"}, {"minutes": 1e9}, {"write": "perhaps"},
        {"user": None}, {"tenant": ["acme"]}, {"is_admin": True}, {"reason": "a\x00bcdefghijk"},
    ],
)  # fmt: skip
def test_a_bad_wish_is_refused(
    acme: TenantIdentity, supporter: Person, changes: dict[str, Any]
) -> None:
    answer = begin(desk(supporter), make_person(acme), **changes)

    assert answer.status_code == 400
    assert set(changes) == set(answer.json()["details"])
    assert count() == (0, 0)


@pytest.mark.usefixtures("consent")
@pytest.mark.parametrize(
    "what", ["grant", "consent", "role", "disabled", "promoted", "supporter", "time", "person"]
)
def test_it_ends_at_once_with_what_it_rests_on(
    system: Installation, acme: TenantIdentity, supporter: Person, what: str
) -> None:
    editor = make_person(acme)
    working = at_work(acme, desk(supporter), editor)
    assert working.get("vendors/").status_code == 200
    member = {"tenant_id": acme.id, "user_id": editor.id, "by": None}

    match what:
        case "grant":
            cross_tenant_roles.revoke_role(
                tenant_id=acme.id, user_id=supporter.id, role=CrossTenantRole.SUPPORT
            )
        case "consent":
            switch(acme, is_on=False)
        case "role":
            accounts.revoke_role(**member)
        case "disabled":
            disabling.disable_member(**member)
        case "promoted":
            accounts.change_role(**member, role="admin")
        case "supporter" | "person":
            disable(supporter if what == "supporter" else editor)
        case "time":
            with context.operator():
                early = datetime.now(UTC) - timedelta(minutes=59)
                Impersonation.objects.update(
                    started_at=early, ends_at=early + timedelta(minutes=58)
                )

    answer = working.get("vendors/")
    assert answer.status_code == (403 if what in ("role", "disabled") else 401)
    assert "results" not in answer.json()
    assert services.close_ended(at=datetime.now(UTC)) == 1
    assert services.close_ended(at=datetime.now(UTC)) == 0


def disable(person: Person) -> None:
    from shared_apps.accounts.models import User

    with context.operator():
        User.objects.filter(id=person.id).update(is_active=False)


@pytest.mark.usefixtures("consent")
def test_administrators_see_and_end_it_and_those_of_others_do_not(
    system: Installation, acme: TenantIdentity, api: ApiFactory, supporter: Person
) -> None:
    editor = make_person(acme)
    working = at_work(acme, desk(supporter), editor)
    address = f"impersonations/{working.tokens['id']}/"
    stranger, admin = api(system.tenants["globex"], "admin"), api(acme, "admin")

    assert stranger.get("impersonations/").json()["count"] == 0
    assert stranger.delete(address).status_code == 404
    for role in ("editor", "viewer"):
        assert api(acme, role).delete(address).status_code == 403
    [listed] = admin.get("impersonations/").json()["results"]
    assert (listed["reason"], listed["ended_at"]) == (REASON, None)
    assert listed["impersonated_by"] == {"id": str(supporter.id), "email": supporter.email}
    assert working.get("vendors/").status_code == 200

    assert admin.delete(address).status_code == 204

    assert working.get("vendors/").status_code == 401
    assert admin.delete(address).status_code == 404
    [listed] = admin.get("impersonations/").json()["results"]
    assert listed["ended_at"] is not None
    ended, begun = entries_of(system, acme, "authn.impersonation", working.tokens["id"])
    assert (begun.operation, ended.operation) == ("CREATE", "UPDATE")
    assert ended.modified_by == str(accounts_id("admin@acme.example"))


@pytest.mark.usefixtures("consent")
def test_one_at_a_time_and_ended_by_whoever_began_it(acme: TenantIdentity) -> None:
    supporter, other = make_supporter(acme), make_supporter(acme)
    client, whom = desk(supporter), make_person(acme)
    working = at_work(acme, client, whom)
    address = f"portfolio/impersonations/{working.tokens['id']}/"

    again = begin(client, whom)
    assert (again.status_code, again.json()["code"]) == (409, "authn.impersonation_running")
    assert again.json()["details"] == {"id": working.tokens["id"]}
    assert desk(other).delete(address).status_code == 404
    assert desk(other).get("portfolio/impersonations/").json()["count"] == 0
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == 404
    assert working.get("vendors/").status_code == 401
    at_work(acme, client, whom)
    assert client.get("portfolio/impersonations/").json()["count"] == 2


@pytest.mark.usefixtures("consent")
def test_the_person_sees_it_among_their_sign_ins_and_ends_it(
    acme: TenantIdentity, supporter: Person
) -> None:
    editor = make_person(acme)
    working, own = at_work(acme, desk(supporter), editor), Api(acme)
    own.sign_in(editor.email, PASSWORD)

    foreign = [s for s in own.get("auth/sessions/").json()["results"] if not s["is_current"]]

    assert len(foreign) == 1
    assert own.delete(f"auth/sessions/{foreign[0]['id']}/").status_code == 204
    assert working.get("vendors/").status_code == 401
    assert own.get("vendors/").status_code == 200
    assert services.close_ended(at=datetime.now(UTC)) == 1
    assert services.close_ended(at=datetime.now(UTC)) == 0
