from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import Person, make_person

ApiFactory = Callable[..., Api]


@pytest.fixture
def person(acme: TenantIdentity) -> Person:
    return make_person(acme, "viewer")


def count_sessions() -> int:
    with context.operator():
        return Session.objects.count()


@pytest.mark.parametrize("field", ["identifier", "email", "username"])
@pytest.mark.parametrize("path", ["auth/login/", "auth/login"])
def test_login(
    acme: TenantIdentity, api: ApiFactory, person: Person, field: str, path: str
) -> None:
    response = api(acme).post(path, {field: person.email, "password": PASSWORD})

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    body = response.json()
    assert set(body) == {"access", "refresh", "expires_in", "user", "tenant"}
    assert body["expires_in"] == 900
    assert body["user"] == {"id": str(person.id), "email": person.email, "roles": ["viewer"]}
    assert body["tenant"] == {"id": str(acme.id), "slug": "acme"}


@pytest.mark.parametrize(
    ("email", "roles"),
    [("operator@example.com", ["operator"]), ("auditor@example.com", ["auditor"])],
)
def test_login_at_the_public_host(api: ApiFactory, email: str, roles: list[str]) -> None:
    client = api(None)

    client.sign_in(email, PASSWORD)

    assert client.tokens["tenant"] is None
    assert client.tokens["user"]["roles"] == roles
    assert client.get("auth/user/").json()["roles"] == roles


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        None,
        7,
        {},
        {"email": "x@y.de"},
        {"password": "x"},
        {"email": 7, "password": "x"},
        {"email": None, "password": "x"},
        {"email": ["x"], "password": "x"},
        {"email": "x@y.de", "password": {"$ne": ""}},
        {"email": "x@y.de", "password": 123456789012},
        {"email": "x@y.de", "username": "x", "password": "x"},
        {"email": "x@y.de", "password": "x", "tenant": "globex"},
    ],
)
def test_a_malformed_login_is_a_problem(acme: TenantIdentity, api: ApiFactory, body: Any) -> None:
    response = api(acme).post("auth/login/", body)

    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert count_sessions() == 0


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"null", b'{"email": }', b"[" * 100_000])
def test_what_is_no_json_is_a_problem(acme: TenantIdentity, raw: bytes) -> None:
    response = Client(raise_request_exception=False).post(
        "/api/v1/auth/login/", raw, content_type="application/json",
        headers={"host": "acme.localhost"},
    )  # fmt: skip

    assert response.status_code == 400
    assert response.json()["success"] is False


def test_nobody_registers(acme: TenantIdentity, api: ApiFactory) -> None:
    response = api(acme).post("auth/registration/", {"email": "x@acme.example"})

    assert (response.status_code, response.json()["code"]) == (403, "registration_closed")


def test_refresh_and_logout(acme: TenantIdentity, api: ApiFactory, person: Person) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)
    used = client.tokens["refresh"]

    renewed = client.post("auth/refresh/", {"refresh": used})
    assert renewed.status_code == 200
    assert set(renewed.json()) == {"access", "refresh", "expires_in"}
    assert client.post("auth/refresh/", {"refresh": used}).json()["code"] == "token_not_valid"

    body = {"refresh": renewed.json()["refresh"]}
    client.headers = {}
    assert client.post("auth/logout/", body).status_code == 204
    again = client.post("auth/logout/", body)
    assert (again.status_code, again.json()["code"]) == (401, "token_not_valid")
    assert again["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["auth/refresh/", "auth/logout/"])
@pytest.mark.parametrize(
    "body", [{}, {"refresh": 7}, {"refresh": None}, [], {"refresh": "x", "y": 1}]
)
def test_a_malformed_token_request_is_a_problem(
    acme: TenantIdentity, api: ApiFactory, path: str, body: Any
) -> None:
    assert api(acme).post(path, body).status_code == 400


@pytest.mark.parametrize("path", ["auth/refresh/", "auth/logout/"])
@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ä.b.c", "\ud800", "x" * 5000, "." * 5000])
def test_a_token_that_is_none_is_refused(
    acme: TenantIdentity, api: ApiFactory, path: str, token: str
) -> None:
    response = api(acme).post(path, {"refresh": token})

    assert (response.status_code, response.json()["error"]) == (401, "Invalid token")


def test_user(acme: TenantIdentity, api: ApiFactory, person: Person) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)

    assert client.get("auth/user/").json() == {
        "id": str(person.id),
        "email": person.email,
        "name": "",
        "roles": ["viewer"],
        "permissions": ["read"],
        "impersonation": None,
    }


def test_sessions(acme: TenantIdentity, api: ApiFactory, person: Person) -> None:
    first, second, stranger = api(acme), api(acme), api(acme, "editor")
    first.http.defaults["HTTP_USER_AGENT"] = "Fire\x00fox" + "x" * 400
    first.sign_in(person.email, PASSWORD)
    second.sign_in(person.email, PASSWORD)

    listed = second.get("auth/sessions/").json()

    assert listed["count"] == 2
    [ended] = [session for session in listed["results"] if not session["is_current"]]
    assert ended["user_agent"] == ("Fire?fox" + "x" * 400)[:300]
    assert set(ended) == {
        "id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "is_current"
    }  # fmt: skip
    assert stranger.delete(f"auth/sessions/{ended['id']}/").status_code == 404
    assert second.delete(f"auth/sessions/{uuid4()}/").status_code == 404
    assert first.get("auth/user/").status_code == 200
    assert second.delete(f"auth/sessions/{ended['id']}/").status_code == 204
    assert first.get("auth/user/").status_code == 401
    assert second.get("auth/sessions/").json()["count"] == 1


def test_password_info(acme: TenantIdentity, api: ApiFactory, person: Person) -> None:
    client = api(acme)
    client.sign_in(person.email, PASSWORD)

    info = client.get("auth/password/info/").json()

    assert info.pop("fetched_at")
    assert info.pop("changed_at")
    assert info == {
        "source": "database", "expires_at": None, "never_expires": True, "expired": False,
        "must_change": False, "locked": False, "locked_until": None, "grace_logins": None,
        "warn_seconds": None, "can_change": True, "min_length": 12, "history": None,
    }  # fmt: skip


@pytest.mark.parametrize("keeps", [True, False])
def test_password_change(
    acme: TenantIdentity, api: ApiFactory, person: Person, keeps: bool
) -> None:
    client, other = api(acme), api(acme)
    client.sign_in(person.email, PASSWORD)
    other.sign_in(person.email, PASSWORD)
    new = "another good one"

    changed = client.post(
        "auth/password/change/",
        {
            "old_password": PASSWORD,
            "new_password": new,
            **({"keep_current": True} if keeps else {}),
        },
    )

    assert changed.status_code == 204
    assert client.get("auth/user/").status_code == (200 if keeps else 401)
    assert other.get("auth/user/").status_code == 401
    api(acme).sign_in(person.email, new)
    old = api(acme).post("auth/login/", {"email": person.email, "password": PASSWORD})
    assert old.status_code == 401


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("wrong", "another good one", "wrong_old_password"),
        ("", "another good one", "wrong_old_password"),
        (PASSWORD, "short", "policy_violation"),
        (PASSWORD, "\ud800" * 12, "policy_violation"),
        (PASSWORD, PASSWORD, "policy_violation"),
        (PASSWORD, 7, "invalid"),
    ],
)
def test_password_change_refuses(
    acme: TenantIdentity, api: ApiFactory, person: Person, old: Any, new: Any, code: str
) -> None:
    client, other = api(acme), api(acme)
    client.sign_in(person.email, PASSWORD)
    other.sign_in(person.email, PASSWORD)

    response = client.post("auth/password/change/", {"old_password": old, "new_password": new})

    assert (response.status_code, response.json()["code"]) == (400, code)
    assert other.get("auth/user/").status_code == 200
    api(acme).sign_in(person.email, PASSWORD)


def test_without_a_token(acme: TenantIdentity, api: ApiFactory) -> None:
    for path in ("auth/user/", "auth/sessions/", "auth/password/info/", "users/", "invoices/"):
        response = api(acme).get(path)
        assert (response.status_code, response.json()["error"]) == (
            401,
            "Missing authorization token",
        )
        assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    [
        "{access}", "Token {access}", "Basic YTpi", "Bearer", "Bearer ", "Bearer x y", "Bearer x",
        "Bearer {access} ", "Bearer  {access}", "Bearer {access},", "Bearer ä.b.c", "Bearer a.b.c",
        "Bearer " + "x" * 5000,
    ],
)  # fmt: skip
def test_an_odd_header_is_refused(acme: TenantIdentity, api: ApiFactory, header: str) -> None:
    client = api(acme, "admin")
    client.headers = {"authorization": header.format(access=client.tokens["access"])}

    response = client.get("auth/user/")

    if header == "Bearer {access} ":  # blanks around a header's value are not part of it
        assert response.status_code == 200
        return
    assert (response.status_code, response.json()["error"]) == (401, "Invalid token")
    assert response.json()["code"] == "token_not_valid"
    assert response["WWW-Authenticate"] == "Bearer"
