"""Roles that a tenant's administrators make: what they allow, who may make them, and their end."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import IntegrityError, transaction

from shared_apps.accounts import selectors
from shared_apps.accounts.models import TenantRole, UserTenantRole
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD, Installation
from tests.people import Person, make_person

ApiFactory = Callable[..., Api]
BUILT_IN = [
    ("admin", ["read", "write", "delete", "admin"]),
    ("editor", ["read", "write", "delete"]),
    ("moderator", ["read", "write", "delete"]),
    ("user", ["read", "write"]),
    ("viewer", ["read"]),
]


def make_role(client: Api, name: str, *permissions: str) -> str:
    response = client.post("roles/", {"name": name, "permissions": permissions})
    assert response.status_code == 201, response.content
    return str(response.json()["id"])


def signed_in(api: ApiFactory, tenant: TenantIdentity, person: Person) -> Api:
    client = api(tenant)
    client.sign_in(person.email, PASSWORD)
    return client


def holder_of(admin: Api, tenant: TenantIdentity, role: str) -> Person:
    person = make_person(tenant, "viewer")
    response = admin.patch(f"users/{person.id}/role/", {"role": role})
    assert (response.status_code, response.json()["role"]) == (200, role)
    return person


def member(tenant: TenantIdentity, user_id: UUID) -> UserTenantRole:
    return selectors.get_member(tenant_id=tenant.id, user_id=user_id)


def test_a_role_allows_what_it_says_and_a_change_counts_from_the_next_request(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")
    role = make_role(admin, "clerk", "write", "read", "read")
    clerk = signed_in(api, acme, holder_of(admin, acme, "clerk"))
    vendor = clerk.post("vendors/", {"name": "Paper AG"})
    assert vendor.status_code == 201
    address = f"vendors/{vendor.json()['id']}/"

    me = clerk.get("auth/user/").json()
    assert (me["roles"], me["permissions"]) == (["clerk"], ["read", "write"])
    assert clerk.delete(address).status_code == 403

    changed = admin.patch(f"roles/{role}/", {"permissions": ["read", "delete"]})
    assert changed.json() == {
        "id": role, "name": "clerk", "permissions": ["read", "delete"], "is_built_in": False
    }  # fmt: skip
    assert clerk.post("vendors/", {"name": "Ink AG"}).status_code == 403
    assert clerk.delete(address).status_code == 204


def test_the_list_has_the_built_in_ones_and_this_tenants_own(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")
    foreign = make_role(api(globex, "admin"), "foreign", "read")
    make_role(admin, "clerk", "read")

    found = admin.get("roles/").json()["results"]

    assert [(role["name"], role["permissions"]) for role in found] == [
        *BUILT_IN, ("clerk", ["read"])
    ]  # fmt: skip
    assert [role["is_built_in"] for role in found] == [True] * 5 + [False]
    for answer in (
        admin.get(f"roles/{foreign}/"),
        admin.patch(f"roles/{foreign}/", {"name": "mine"}),
        admin.delete(f"roles/{foreign}/"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "accounts.role_not_found")
    given = admin.post("users/", {"email": "x@acme.example", "role": "foreign"})
    assert (given.status_code, given.json()["code"]) == (400, "accounts.role_unknown")
    assert selectors.get_custom_role(tenant_id=globex.id, role_id=UUID(foreign)).name == "foreign"


def test_a_rename_takes_its_people_along(acme: TenantIdentity, api: ApiFactory) -> None:
    admin = api(acme, "admin")
    role = make_role(admin, "clerk", "read")
    person = holder_of(admin, acme, "clerk")
    client = signed_in(api, acme, person)

    assert admin.patch(f"roles/{role}/", {"name": "accountant"}).status_code == 200

    assert member(acme, person.id).role == "accountant"
    assert client.get("auth/user/").json()["roles"] == ["accountant"]
    assert client.get("vendors/").status_code == 200


def test_a_deleted_role_allows_nothing_also_when_its_name_is_given_anew(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")
    role = make_role(admin, "clerk", "read", "write")
    person = holder_of(admin, acme, "clerk")
    client = signed_in(api, acme, person)

    refusal = admin.delete(f"roles/{role}/")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "accounts.role_in_use")
    assert refusal.json()["details"]["people"] == 1
    assert client.get("vendors/").status_code == 200

    assert admin.delete(f"roles/{role}/?force=true").status_code == 204
    make_role(admin, "clerk", "read", "write", "delete", "admin")

    assert client.get("vendors/").status_code == client.post("vendors/", {}).status_code == 403
    me = client.get("auth/user/").json()
    assert (me["roles"], me["permissions"]) == (["clerk"], [])
    again = signed_in(api, acme, person)
    assert again.get("vendors/").status_code == 403
    assert admin.patch(f"users/{person.id}/role/", {"role": "viewer"}).status_code == 200
    assert again.get("vendors/").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "admin", "permissions": ["read"]}, "name"),
        ({"name": "operator", "permissions": ["read"]}, "name"),
        ({"name": "support", "permissions": ["read"]}, "name"),
        ({"name": "Clerk", "permissions": ["read"]}, "name"),
        ({"name": "", "permissions": ["read"]}, "name"),
        ({"name": "a b", "permissions": ["read"]}, "name"),
        ({"name": "x" * 41, "permissions": ["read"]}, "name"),
        ({"name": 7, "permissions": ["read"]}, "name"),
        ({"name": "clerk", "permissions": []}, "permissions"),
        ({"name": "clerk", "permissions": ["read", "root"]}, "permissions"),
        ({"name": "clerk", "permissions": "read"}, "permissions"),
        ({"name": "clerk", "permissions": {"read": True}}, "permissions"),
        ({"name": "clerk", "permissions": ["read"] * 5}, "permissions"),
        ({"name": "clerk"}, "permissions"),
        ({"name": "clerk", "permissions": ["read"], "tenant": "globex"}, "tenant"),
        ({"name": "clerk", "permissions": ["read"], "is_built_in": True}, "is_built_in"),
    ],
)
def test_a_bad_role_is_refused(
    acme: TenantIdentity, api: ApiFactory, body: Any, field: str
) -> None:
    admin = api(acme, "admin")

    response = admin.post("roles/", body)

    assert response.status_code == 400
    assert field in response.json()["details"]
    assert admin.get("roles/").json()["count"] == 5


def test_a_name_is_taken_once_per_tenant(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")
    make_role(admin, "clerk", "read")
    other = make_role(admin, "other", "read")
    make_role(api(globex, "admin"), "clerk", "admin")

    for answer in (
        admin.post("roles/", {"name": "clerk", "permissions": ["read"]}),
        admin.patch(f"roles/{other}/", {"name": "clerk"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "accounts.role_name_taken")
    assert admin.get(f"roles/{other}/").json()["name"] == "other"


def test_there_is_a_greatest_number(acme: TenantIdentity, api: ApiFactory) -> None:
    admin = api(acme, "admin")
    with context.operator():
        TenantRole.objects.bulk_create(
            TenantRole(
                tenant_id=acme.id,
                name=f"role-{number}",
                permissions=["read"],
                created_at="2026-01-01T00:00Z",
            )
            for number in range(100)
        )

    answer = admin.post("roles/", {"name": "clerk", "permissions": ["read"]})

    assert (answer.status_code, answer.json()["code"]) == (409, "accounts.too_many_roles")


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_roles_are_for_administrators(acme: TenantIdentity, api: ApiFactory, role: str) -> None:
    client, some = api(acme, role), make_role(api(acme, "admin"), "clerk", "read")

    answers = [
        client.get("roles/"),
        client.post("roles/", {"name": "mine", "permissions": ["admin"]}),
        client.get(f"roles/{some}/"),
        client.patch(f"roles/{some}/", {"permissions": ["admin"]}),
        client.delete(f"roles/{some}/"),
    ]

    assert [answer.status_code for answer in answers] == [403] * 5
    assert api(acme, "admin").get(f"roles/{some}/").json()["permissions"] == ["read"]


def test_nobody_gives_more_than_they_have(acme: TenantIdentity, api: ApiFactory) -> None:
    admin = api(acme, "admin")
    make_role(admin, "registrar", "read", "admin")
    wider = make_role(admin, "wider", "read", "delete")
    registrar = signed_in(api, acme, holder_of(admin, acme, "registrar"))
    me = registrar.get("auth/user/").json()["id"]
    editor, viewer = make_person(acme, "editor"), make_person(acme, "viewer")
    own = next(
        role for role in registrar.get("roles/").json()["results"] if role["name"] == "registrar"
    )

    refused = [
        registrar.patch(f"users/{viewer.id}/role/", {"role": "editor"}),
        registrar.patch(f"users/{viewer.id}/role/", {"role": "wider"}),
        registrar.patch(f"users/{editor.id}/role/", {"role": "viewer"}),
        registrar.delete(f"users/{editor.id}/"),
        registrar.post(f"users/{editor.id}/disable/"),
        registrar.post("users/", {"email": "new@acme.example", "role": "admin"}),
        registrar.post("roles/", {"name": "mine", "permissions": ["read", "write"]}),
        registrar.patch(f"roles/{own['id']}/", {"permissions": ["read", "write", "admin"]}),
        registrar.patch(f"roles/{wider}/", {"permissions": ["read"]}),
        registrar.delete(f"roles/{wider}/?force=true"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [
        (403, "accounts.role_exceeds_own")
    ] * len(refused)
    assert registrar.get("users/").json()["count"] == 6
    assert registrar.get("auth/user/").json()["permissions"] == ["admin", "read"]
    assert (member(acme, viewer.id).role, member(acme, editor.id).role) == ("viewer", "editor")

    assert registrar.patch(f"users/{viewer.id}/role/", {"role": "registrar"}).status_code == 200
    assert registrar.patch(f"users/{me}/role/", {"role": "viewer"}).status_code == 403


def test_a_role_deleted_while_it_is_given_is_given_to_nobody(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    role = make_role(api(acme, "admin"), "clerk", "read")
    person = make_person(acme, "viewer")
    clients = [api(acme, "admin"), api(acme, "admin")]

    at_once(
        [
            lambda: clients[0].delete(f"roles/{role}/?force=true"),
            lambda: clients[1].patch(f"users/{person.id}/role/", {"role": "clerk"}),
        ]
    )

    left = member(acme, person.id)
    assert left.custom_role is None
    assert (left.role, len(left.permissions)) in [("viewer", 1), ("clerk", 0)]


def test_the_database_refuses_a_role_of_another_tenant_and_one_under_a_false_name(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    foreign = make_role(api(globex, "admin"), "clerk", "admin")
    own = make_role(api(acme, "admin"), "clerk", "read")
    person = make_person(acme, "viewer")
    changes = [
        {"role": "clerk", "custom_role": foreign},
        {"role": "manager", "custom_role": own},
        {"role": "admin", "custom_role": own},
        {"role": "operator", "custom_role": None},
        {"role": "", "custom_role": None},
        {"role": "clerk", "custom_role": uuid4()},
    ]

    for change in changes:
        with (
            context.operator(),
            pytest.raises(IntegrityError),
            transaction.atomic(),
        ):
            UserTenantRole.objects.filter(user=person.id, tenant=acme.id).update(**change)
    for values in (("admin", "{read}"), ("x", "{}"), ("x", "{root}"), ("x", "{NULL}")):
        with system.owner() as owner, pytest.raises(psycopg.IntegrityError):
            owner.execute(
                "INSERT INTO accounts_tenantrole (id, tenant_id, name, permissions, created_at)"
                " VALUES (gen_random_uuid(), %s, %s, %s, now())",
                [acme.id, *values],
            )
    assert member(acme, person.id).role == "viewer"
