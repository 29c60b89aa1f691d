"""What administrators do about the sign-ins of their tenant's people."""

from collections.abc import Callable
from uuid import uuid4

import pytest

from shared_apps.accounts import selectors
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import Person, add_role, make_person

ApiFactory = Callable[..., Api]


def signed_in(api: ApiFactory, tenant: TenantIdentity, person: Person) -> Api:
    client = api(tenant)
    client.sign_in(person.email, PASSWORD)
    return client


def test_an_administrator_sees_and_ends_sign_ins_here_and_only_here(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    person = make_person(acme)
    add_role(person, globex, "viewer")
    first, second = signed_in(api, acme, person), signed_in(api, acme, person)
    elsewhere, admin = signed_in(api, globex, person), api(acme, "admin")
    sessions = f"users/{person.id}/sessions/"

    listed = admin.get(sessions).json()
    assert listed["count"] == 2
    assert set(listed["results"][0]) == {
        "id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "is_current"
    }  # fmt: skip
    newest = listed["results"][0]["id"]
    foreign = elsewhere.get("auth/sessions/").json()["results"][0]["id"]
    assert admin.delete(f"{sessions}{foreign}/").status_code == 404
    assert admin.delete(f"{sessions}{newest}/").status_code == 204
    assert admin.delete(f"{sessions}{newest}/").status_code == 404
    assert [client.get("auth/user/").status_code for client in (first, second)] == [200, 401]
    refreshed = second.post("auth/refresh/", {"refresh": second.tokens["refresh"]})
    assert (refreshed.status_code, refreshed.json()["code"]) == (401, "token_not_valid")

    assert admin.delete(sessions).status_code == 204
    assert admin.delete(sessions).status_code == 204
    assert first.get("auth/user/").status_code == 401
    assert elsewhere.get("auth/user/").status_code == admin.get("auth/user/").status_code == 200


def test_whoever_is_disabled_is_let_in_no_more_here_and_keeps_the_role(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    person = make_person(acme)
    add_role(person, globex, "viewer")
    here, there = signed_in(api, acme, person), signed_in(api, globex, person)
    admin, address = api(acme, "admin"), f"users/{person.id}/"

    assert admin.post(f"{address}disable/").status_code == 204
    assert admin.post(f"{address}disable/").status_code == 204

    assert here.get("auth/user/").status_code == 401
    for refused, code in (
        (here.post("auth/refresh/", {"refresh": here.tokens["refresh"]}), "token_not_valid"),
        (here.post("auth/login/", {"email": person.email, "password": PASSWORD}), "account_restricted"),
        (here.post("auth/login/", {"email": person.email, "password": "wrong"}), "invalid_credentials"),
    ):  # fmt: skip
        assert refused.json()["code"] == code
    assert there.get("auth/user/").status_code == 200
    member = admin.get(address).json()
    assert (member["role"], member["is_active"]) == ("editor", False)

    assert admin.post(f"{address}enable/").status_code == 204
    assert here.get("auth/user/").status_code == 401
    assert admin.get(address).json()["is_active"] is True
    assert signed_in(api, acme, person).get("auth/user/").json()["roles"] == ["editor"]


def test_who_may_not_be_disabled(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    admin, stranger = api(acme, "admin"), make_person(globex)
    me = admin.get("auth/user/").json()["id"]

    answers = [
        admin.post(f"users/{me}/disable/"),
        admin.post(f"users/{stranger.id}/disable/"),
        admin.post(f"users/{stranger.id}/enable/"),
        admin.get(f"users/{stranger.id}/sessions/"),
        admin.delete(f"users/{stranger.id}/sessions/"),
        admin.delete(f"users/{uuid4()}/sessions/{uuid4()}/"),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (403, "accounts.own_role")
    ] + [(404, "accounts.person_not_found")] * 5
    assert selectors.get_member(tenant_id=globex.id, user_id=stranger.id).is_active


def test_a_disabled_administrator_does_not_count(acme: TenantIdentity, api: ApiFactory) -> None:
    other = make_person(acme, "admin")
    admin, second = api(acme, "admin"), signed_in(api, acme, other)
    me = admin.get("auth/user/").json()["id"]
    assert admin.post(f"users/{other.id}/disable/").status_code == 204

    assert second.delete(f"users/{me}/").status_code == 401
    assert admin.post(f"users/{other.id}/enable/").status_code == 204
    second = signed_in(api, acme, other)
    assert second.post(f"users/{me}/disable/").status_code == 204
    try:
        assert admin.get("auth/user/").status_code == 401
        viewer = make_person(acme, "viewer")
        assert second.patch(f"users/{viewer.id}/role/", {"role": "admin"}).status_code == 200
        third = signed_in(api, acme, viewer)
        assert third.delete(f"users/{other.id}/").status_code == 204
        assert third.get("users/").json()["count"] == 4
    finally:
        enabling = signed_in(api, acme, make_person(acme, "admin"))
        assert enabling.post(f"users/{me}/enable/").status_code == 204


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_it_is_for_administrators(acme: TenantIdentity, api: ApiFactory, role: str) -> None:
    person, client = make_person(acme, "viewer"), api(acme, role)

    answers = [
        client.get(f"users/{person.id}/sessions/"),
        client.delete(f"users/{person.id}/sessions/"),
        client.delete(f"users/{person.id}/sessions/{uuid4()}/"),
        client.post(f"users/{person.id}/disable/"),
        client.post(f"users/{person.id}/enable/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert selectors.get_member(tenant_id=acme.id, user_id=person.id).is_active
