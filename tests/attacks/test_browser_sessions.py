"""Attacks on the sign-in of browsers: the cookie stands for what a token stands for, and no more."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client, override_settings

from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.models import User
from shared_apps.authn.models import BrowserCookie, RefreshToken, Session
from shared_apps.core import answer_floor, context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.pages import CONTENT_SECURITY_POLICY, STYLE
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import Person, add_role, make_person

ApiFactory = Callable[..., Api]


class Browser:
    """Keeps cookies for each host apart, as browsers do; checks of CSRF are on."""

    def __init__(self, host: str = "acme.localhost") -> None:
        self.host = host
        self.http = Client(enforce_csrf_checks=True, raise_request_exception=False)

    @property
    def cookie(self) -> Any:
        return self.http.cookies.get(settings.BROWSER_COOKIE_NAME)

    def get(self, path: str, **headers: str) -> Any:
        return self.http.get(path, headers={"host": self.host, **headers})

    def send_form(self, path: str, /, **fields: str) -> Any:
        found = re.search(
            r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(path).content.decode()
        )
        token = {"csrfmiddlewaretoken": found[1]} if found else {}
        return self.http.post(path, {**token, **fields}, headers={"host": self.host})

    def sign_in(self, person: Person, password: str = PASSWORD, **fields: str) -> Any:
        return self.send_form(
            "/accounts/login/", username=person.email, password=password, **fields
        )

    def sign_out(self) -> Any:
        token = self.http.cookies[settings.CSRF_COOKIE_NAME].value
        fields = {"csrfmiddlewaretoken": token}
        return self.http.post("/accounts/logout/", fields, headers={"host": self.host})

    def ask_api(self, path: str = "auth/user/") -> Any:
        return self.get(f"/api/v1/{path}")

    def write(self, path: str, body: Any, **headers: str) -> Any:
        return self.http.post(
            f"/api/v1/{path}", body, content_type="application/json",
            headers={"host": self.host, **headers},
        )  # fmt: skip


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme, "admin")


@pytest.fixture
def browser(victim: Person) -> Browser:
    """The victim's, signed in at acme."""
    browser = Browser()
    response = browser.sign_in(victim)
    assert (response.status_code, response["Location"]) == (302, "/accounts/")
    return browser


def sessions() -> list[Session]:
    with context.operator():
        return list(Session.objects.order_by("created_at"))


def test_a_browser_signs_in_reads_writes_and_signs_out(browser: Browser, victim: Person) -> None:
    assert victim.email in browser.get("/accounts/").content.decode()
    assert browser.ask_api().json()["email"] == victim.email
    token = browser.http.cookies[settings.CSRF_COOKIE_NAME].value
    assert (
        browser.write("vendors/", {"name": "Paper AG"}, **{"x-csrftoken": token}).status_code == 201
    )

    assert browser.sign_out()["Location"] == "/accounts/login/"

    assert browser.ask_api().status_code == 401
    assert browser.get("/accounts/")["Location"] == "/accounts/login/"
    assert [session.revoked_reason for session in sessions()] == ["SIGNED_OUT"]


def test_the_cookie_is_for_its_host_and_not_for_scripts(browser: Browser) -> None:
    cookie = browser.cookie
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["domain"], cookie["max-age"], cookie["expires"]) == ("", "", "")
    with override_settings(SESSION_COOKIE_SECURE=True):
        other = Browser()
        other.sign_in(Person(id=sessions()[0].user_id, email="viewer@acme.example"))
        assert other.cookie["secure"] is True


def test_no_usable_cookie_and_no_token_is_in_the_database(browser: Browser) -> None:
    with context.operator():
        stored = f"{list(BrowserCookie.objects.values())}{list(Session.objects.values())}"
        hashed = BrowserCookie.objects.get().hash
        assert RefreshToken.objects.count() == 0
    assert browser.cookie.value not in stored
    thief = Browser()
    thief.http.cookies[settings.BROWSER_COOKIE_NAME] = hashed
    assert thief.ask_api().status_code == 401


def test_a_cookie_at_another_host(browser: Browser, victim: Person, globex: TenantIdentity) -> None:
    add_role(victim, globex, "admin")
    for host in ("globex.localhost", "localhost"):
        thief = Browser(host)
        thief.http.cookies[settings.BROWSER_COOKIE_NAME] = browser.cookie.value
        assert thief.ask_api().status_code == 401
        assert thief.get("/accounts/")["Location"] == "/accounts/login/"
    assert browser.ask_api().status_code == 200


def test_a_cookie_that_is_made_up(acme: TenantIdentity) -> None:
    for value in ("", "x", "a" * 43, "a" * 42 + "\u00e9", "../../x", "a" * 100_000, "\x00" * 43):
        thief = Browser()
        thief.http.cookies[settings.BROWSER_COOKIE_NAME] = value
        assert thief.ask_api().status_code == 401
        assert thief.get("/accounts/")["Location"] == "/accounts/login/"


def test_a_cookie_that_was_planted_before_the_sign_in(
    browser: Browser, acme: TenantIdentity
) -> None:
    """The attacker has the victim's browser send the attacker's own cookie, and waits."""
    attacker = make_person(acme, "viewer")
    fixed = Browser()
    fixed.sign_in(attacker)
    planted = fixed.cookie.value
    victim = Browser()
    victim.http.cookies[settings.BROWSER_COOKIE_NAME] = planted

    victim.get("/accounts/login/")
    token = victim.http.cookies[settings.CSRF_COOKIE_NAME].value

    victim.sign_in(Person(id=attacker.id, email="admin@acme.example"))

    assert victim.http.cookies[settings.CSRF_COOKIE_NAME].value != token
    assert victim.cookie.value != planted
    assert victim.ask_api().json()["email"] == "admin@acme.example"
    assert fixed.ask_api().status_code == 401


def test_what_writes_needs_the_token_of_an_own_page(browser: Browser) -> None:
    token = browser.http.cookies[settings.CSRF_COOKIE_NAME].value
    body = {"name": "Paper AG"}
    for headers in ({}, {"x-csrftoken": "a" * 32}, {"x-csrftoken": "", "origin": "http://evil.example"},
                    {"x-csrftoken": token, "origin": "http://globex.localhost"},
                    {"x-csrftoken": token, "origin": "null"}):  # fmt: skip
        refused = browser.write("vendors/", body, **headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed"), headers
    assert browser.ask_api("vendors/").json()["results"] == []
    good = {"x-csrftoken": token, "origin": "http://acme.localhost"}
    assert browser.write("vendors/", body, **good).status_code == 201


def test_forms_of_a_foreign_page(browser: Browser, victim: Person) -> None:
    fields = {"username": "viewer@acme.example", "password": PASSWORD}
    for path in ("/accounts/login/", "/accounts/logout/"):
        foreign = browser.http.post(path, fields, headers={"host": browser.host})
        assert foreign.status_code == 403
        assert foreign["Content-Type"].startswith("text/html")
    assert browser.get("/accounts/logout/").status_code == 405
    assert browser.ask_api().json()["email"] == victim.email
    assert len(sessions()) == 1


def test_a_header_rules_out_the_cookie(
    browser: Browser, api: ApiFactory, acme: TenantIdentity
) -> None:
    access = api(acme, "viewer").tokens["access"]
    asked = browser.get("/api/v1/auth/user/", authorization=f"Bearer {access}")
    assert asked.json()["email"] == "viewer@acme.example"
    assert browser.get("/api/v1/auth/user/", authorization="Bearer x").status_code == 401
    assert browser.get("/api/v1/auth/user/", authorization="").status_code == 401


def test_changes_count_from_the_next_request(
    browser: Browser, victim: Person, acme: TenantIdentity
) -> None:
    accounts.change_role(tenant_id=acme.id, user_id=victim.id, role=Role.VIEWER, by=None)
    assert (browser.ask_api().status_code, browser.ask_api("users/").status_code) == (200, 403)
    at = datetime.now(UTC)
    tenants.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=at, reason="unpaid")
    assert browser.ask_api().status_code == 403
    tenants.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=at)
    assert browser.ask_api().status_code == 200
    accounts.revoke_role(tenant_id=acme.id, user_id=victim.id, by=None)
    assert browser.ask_api().status_code == 403


def test_a_disabled_person(browser: Browser, victim: Person) -> None:
    with context.operator():
        User.objects.filter(id=victim.id).update(is_active=False)
    assert browser.ask_api().status_code == 401


def test_the_owner_ends_it_from_elsewhere(
    browser: Browser, victim: Person, api: ApiFactory, acme: TenantIdentity
) -> None:
    elsewhere = api(acme)
    elsewhere.sign_in(victim.email, PASSWORD)
    [other] = [
        row for row in elsewhere.get("auth/sessions/").json()["results"] if not row["is_current"]
    ]
    assert elsewhere.delete(f"auth/sessions/{other['id']}/").status_code == 204
    assert browser.ask_api().status_code == 401


def test_a_changed_password_ends_it(
    browser: Browser, victim: Person, api: ApiFactory, acme: TenantIdentity
) -> None:
    elsewhere = api(acme)
    elsewhere.sign_in(victim.email, PASSWORD)
    body = {"old_password": PASSWORD, "new_password": "another long pass phrase"}
    assert elsewhere.post("auth/password/change/", body).status_code == 204
    assert browser.ask_api().status_code == 401


def test_it_ends_when_it_is_not_used_and_at_its_greatest_age(browser: Browser) -> None:
    def age(**changes: timedelta) -> None:
        with context.operator():
            session = Session.objects.get()
            for field, by in changes.items():
                setattr(session, field, getattr(session, field) - by)
            session.save()

    idle = settings.BROWSER_IDLE_LIFETIME
    almost = idle - timedelta(seconds=30)
    age(last_used_at=almost, expires_at=almost)
    assert browser.ask_api().status_code == 200
    # That was a use, and it counts anew.
    [session] = sessions()
    assert session.expires_at - session.last_used_at == idle
    age(last_used_at=idle, expires_at=idle)
    assert browser.ask_api().status_code == 401
    with context.operator():
        Session.objects.update(expires_at=datetime.now(UTC) + idle)
    assert browser.ask_api().status_code == 200
    age(auth_time=settings.MAX_LOGIN_LIFETIME)
    assert browser.ask_api().status_code == 401


def test_use_never_prolongs_it_past_its_greatest_age(browser: Browser) -> None:
    with context.operator():
        session = Session.objects.get()
        session.auth_time -= settings.MAX_LOGIN_LIFETIME - timedelta(minutes=5)
        session.last_used_at -= timedelta(minutes=2)
        session.save()
    assert browser.ask_api().status_code == 200
    [session] = sessions()
    assert session.expires_at == session.auth_time + settings.MAX_LOGIN_LIFETIME


def test_44_the_way_on_stays_on_this_host(acme: TenantIdentity, victim: Person) -> None:
    for address, leads_to in [
        ("/api/v1/auth/user/", "/api/v1/auth/user/"),
        ("/accounts/?a=b", "/accounts/?a=b"),
        ("", "/accounts/"),
        ("https://evil.example/", "/accounts/"),
        ("//evil.example/", "/accounts/"),
        ("/\\evil.example/", "/accounts/"),
        ("///evil.example/", "/accounts/"),
        ("\\\\evil.example", "/accounts/"),
        ("javascript:alert(1)", "/accounts/"),
        ("/\t/evil.example", "/accounts/"),
        ("\x00//evil.example", "/accounts/"),
        ("http:///evil.example", "/accounts/"),
        ("accounts/", "/accounts/"),
    ]:
        response = Browser().sign_in(victim, next=address)
        assert (response.status_code, response["Location"]) == (302, leads_to), address


def test_refusals_are_pages_that_tell_nothing(acme: TenantIdentity, victim: Person) -> None:
    refused = Browser().sign_in(victim, "wrong password")
    unknown = Browser().sign_in(Person(id=victim.id, email="nobody@acme.example"))

    for response in (refused, unknown):
        assert response.status_code == 401
        assert settings.BROWSER_COOKIE_NAME not in response.cookies
        assert "www-authenticate" not in response
        assert answer_floor.seconds_left(response, now=0.0) > 0
        assert b"wrong password" not in response.content

    def text(response: Any) -> str:
        return re.sub(r'value="\w{64}"', "", response.content.decode())

    assert text(refused) == text(unknown)
    assert victim.email not in text(refused)
    assert sessions() == []


def test_the_same_limit_holds_for_pages_and_api(
    acme: TenantIdentity, victim: Person, api: ApiFactory
) -> None:
    for _ in range(3):
        assert Browser().sign_in(victim, "wrong").status_code == 401
    client = api(acme)
    for _ in range(2):
        client.post("auth/login/", {"email": victim.email, "password": "wrong"})
    limited = Browser().sign_in(victim)
    assert limited.status_code == 429
    assert int(limited["Retry-After"]) >= 1
    assert sessions() == []


def test_pages_run_nothing_and_are_framed_and_kept_by_nobody(
    browser: Browser, acme: TenantIdentity
) -> None:
    for response in (browser.get("/accounts/"), browser.get('/accounts/login/?next="><script>')):
        html = response.content.decode()
        assert response["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
        assert "unsafe" not in CONTENT_SECURITY_POLICY
        assert (response["X-Frame-Options"], response["Cache-Control"]) == ("DENY", "no-store")
        assert f"<style>{STYLE}</style>" in html
        assert "<script" not in html
        assert not re.search(r"\son\w+=|style=|https?:", html)


def test_operators_sign_in_at_the_public_host(acme: TenantIdentity) -> None:
    operator = Browser("localhost")
    assert operator.send_form(
        "/accounts/login/", username="operator@example.com", password=PASSWORD
    ).status_code == 302  # fmt: skip
    assert operator.ask_api("operator/tenants/").status_code == 200


@pytest.mark.parametrize("host", ["acme.localhost", "localhost"])
def test_there_is_no_admin(acme: TenantIdentity, host: str) -> None:
    assert Browser(host).get("/admin/").status_code == 404
