from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.accounts import selectors
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import add_role, make_person

ApiFactory = Callable[..., Api]


def test_an_admin_invites_somebody_who_can_then_sign_in(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")

    response = admin.post(
        "users/",
        {"email": "Grace@acme.example", "name": "Grace", "role": "viewer", "password": PASSWORD},
    )

    assert response.status_code == 201
    member = response.json()
    assert set(member) == {"id", "email", "name", "role", "is_active", "granted_at"}
    assert (member["email"], member["role"]) == ("grace@acme.example", "viewer")
    assert admin.get(f"users/{member['id']}/").json() == member
    api(acme).sign_in("grace@ACME.example", PASSWORD)


def test_a_first_password_can_be_good_for_its_own_change_alone(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    invited = api(acme, "admin").post(
        "users/",
        {
            "email": "grace@acme.example", "role": "viewer", "password": PASSWORD,
            "must_change_password": True,
        },
    )  # fmt: skip

    refused = api(acme).post("auth/login/", {"email": "grace@acme.example", "password": PASSWORD})

    assert invited.status_code == 201
    assert (refused.status_code, refused.json()["code"]) == (403, "password_change_required")
    ticket = refused.json()["details"]["ticket"]
    change = {"ticket": ticket, "old_password": PASSWORD, "new_password": "Grace's own choice"}
    assert api(acme).post("auth/password/change/", change).status_code == 204
    api(acme).sign_in("grace@acme.example", "Grace's own choice")


def test_the_list_is_of_this_tenant_and_paginated(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    stranger = make_person(globex)

    body = api(acme, "admin").get("users/", page_size=2).json()

    assert (body["count"], len(body["results"])) == (3, 2)
    everybody = api(acme, "admin").get("users").json()["results"]
    assert [member["email"] for member in everybody] == [
        "admin@acme.example", "editor@acme.example", "viewer@acme.example"
    ]  # fmt: skip
    assert api(acme, "admin").get(f"users/{stranger.id}/").status_code == 404


def test_a_demotion_counts_from_the_next_request(acme: TenantIdentity, api: ApiFactory) -> None:
    person = make_person(acme, "admin")
    demoted = api(acme)
    demoted.sign_in(person.email, PASSWORD)
    assert demoted.get("users/").status_code == 200

    response = api(acme, "admin").patch(f"users/{person.id}/role/", {"role": "viewer"})

    assert (response.status_code, response.json()["role"]) == (200, "viewer")
    refusal = demoted.get("users/")
    assert refusal.status_code == 403
    assert refusal.json()["error"] == "Insufficient permissions"


def test_a_role_is_of_one_tenant(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    person = make_person(acme, "admin")
    add_role(person, globex, "viewer")
    at_acme, at_globex = api(acme), api(globex)
    at_acme.sign_in(person.email, PASSWORD)
    at_globex.sign_in(person.email, PASSWORD)
    victims = make_person(acme), make_person(globex)

    assert at_acme.delete(f"users/{victims[0].id}/").status_code == 204
    assert at_globex.delete(f"users/{victims[1].id}/").status_code == 403
    assert selectors.find_member(tenant_id=globex.id, user_id=victims[1].id) is not None


def test_taking_the_role_away_ends_the_sessions_here_and_only_here(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    person = make_person(acme)
    add_role(person, globex, "viewer")
    at_acme, at_globex = api(acme), api(globex)
    at_acme.sign_in(person.email, PASSWORD)
    at_globex.sign_in(person.email, PASSWORD)

    assert api(acme, "admin").delete(f"users/{person.id}/").status_code == 204

    assert at_acme.get("auth/user/").json()["code"] == "no_membership"
    refreshed = at_acme.post("auth/refresh/", {"refresh": at_acme.tokens["refresh"]})
    assert (refreshed.status_code, refreshed.json()["code"]) == (403, "no_membership")
    add_role(person, acme, "admin")
    assert at_acme.get("auth/user/").status_code == 403
    assert at_globex.get("auth/user/").status_code == 200


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_people_are_for_admins(acme: TenantIdentity, api: ApiFactory, role: str) -> None:
    person, client = make_person(acme, "viewer"), api(acme, role)

    responses = [
        client.get("users/"),
        client.get(f"users/{person.id}/"),
        client.post("users/", {"email": "x@acme.example", "name": "", "role": "admin"}),
        client.patch(f"users/{person.id}/role/", {"role": "admin"}),
        client.delete(f"users/{person.id}/"),
    ]

    assert [response.status_code for response in responses] == [403] * 5
    member = selectors.get_member(tenant_id=acme.id, user_id=person.id)
    assert member.role == "viewer"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "x@acme.example", "role": "owner"}, "role"),
        ({"email": "x@acme.example", "role": "admin", "is_operator": True}, "is_operator"),
        ({"email": "x@acme.example", "role": "admin", "tenant": "globex"}, "tenant"),
        ({"email": 7, "role": "admin"}, "email"),
        ({"email": "x@acme.example", "role": ["admin"]}, "role"),
        ({"email": "x@acme.example", "role": "admin", "name": "a\x00b"}, "name"),
        ({"email": "x@acme.example", "role": "admin", "password": 123456789012}, "password"),
        ({"email": "x@acme.example", "role": "admin", "password": "short"}, "password"),
        ({"email": "nobody", "role": "admin"}, "email"),
        ({"role": "admin"}, "email"),
        ([], "non_field_errors"),
    ],
)
def test_a_bad_invitation_is_refused(
    acme: TenantIdentity, api: ApiFactory, body: Any, field: str
) -> None:
    admin = api(acme, "admin")

    response = admin.post("users/", body)

    assert response.status_code == 400
    assert field in response.json()["details"]
    assert admin.get("users/").json()["count"] == 3


def test_a_second_role_and_ones_own_are_refused(acme: TenantIdentity, api: ApiFactory) -> None:
    admin = api(acme, "admin")
    me = admin.get("auth/user/").json()["id"]

    again = admin.post("users/", {"email": "viewer@acme.example", "name": "", "role": "admin"})

    assert (again.status_code, again.json()["code"]) == (409, "accounts.role_exists")
    assert admin.patch(f"users/{me}/role/", {"role": "viewer"}).status_code == 403
    assert admin.delete(f"users/{me}/").status_code == 403
    assert admin.patch(f"users/{uuid4()}/role/", {"role": "viewer"}).status_code == 404
    assert admin.get("auth/user/").json()["roles"] == ["admin"]
