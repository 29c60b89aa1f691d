"""People sign in at their organisation's own page, and find themselves here."""

import html
import re
from collections.abc import Callable

import pytest
from django.conf import settings
from django.core.cache import cache

from shared_apps.accounts.models import Identity
from shared_apps.authn import trying
from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.directories.browser import Browser, code_in
from tests.directories.entra import assert_no_session, use_entra
from tests.directories.oidc_provider import OidcProvider

ApiFactory = Callable[..., Api]


@pytest.fixture(autouse=True)
def tenants(entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity) -> None:
    for tenant in (acme, globex):
        use_entra(tenant, entra)


@pytest.mark.parametrize(("name", "role"), [("alice", "admin"), ("bob", "viewer")])
def test_a_whole_sign_in(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory, name: str, role: str
) -> None:
    person = entra.directories["acme"].people[name]
    browser = Browser(api(acme))

    back = browser.sign_in_at_provider(browser.authorize_url(next="/invoices?page=2"), person)
    response = browser.come_back(back)
    assert response.status_code == 302
    assert response["Location"] == f"/invoices?page=2#sign_in_code={code_in(response)}"
    assert response["Cache-Control"] == "no-store"
    assert b"access" not in response.content
    assert_no_session()

    tokens = browser.fetch_tokens(response)
    assert tokens.status_code == 200
    assert tokens["Cache-Control"] == "no-store"
    body = tokens.json()
    assert set(body) == {"access", "refresh", "expires_in", "user", "tenant"}
    assert (body["user"]["email"], body["user"]["roles"]) == (person.email, [role])
    assert body["tenant"] == {"id": str(acme.id), "slug": "acme"}

    browser.api.headers = {"authorization": f"Bearer {body['access']}"}
    assert browser.api.get("auth/user/").json()["roles"] == [role]
    with context.operator():
        session = Session.objects.get()
        identity = Identity.objects.get(user_id=session.user_id)
    assert (session.backend, identity.external_id) == ("entra_id", person.oid)


def test_a_page_of_our_own_is_given_a_cookie(
    entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    browser, elsewhere = Browser(api(acme)), api(globex)
    form = browser.api.get("/accounts/login/", next="/accounts/?next=/invoices").content.decode()
    start = html.unescape(re.findall(r'href="(/api/v1/auth/oidc/start/[^"]*)"', form)[0])
    to_provider = browser.api.get(start.removeprefix("/api/v1/")).json()["authorize_url"]

    back = browser.sign_in_at_provider(to_provider, entra.directories["acme"].people["alice"])
    response = browser.come_back(back)

    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/?next=")
    cookie = response.cookies[settings.BROWSER_COOKIE_NAME]
    assert (cookie["httponly"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert "sign_in_code" not in response["Location"]
    assert browser.api.get("auth/user/").json()["email"] == "alice@corp.example"
    assert browser.come_back(back).status_code == 400
    elsewhere.http.cookies[settings.BROWSER_COOKIE_NAME] = cookie.value
    assert elsewhere.get("auth/user/").status_code == 401
    with context.operator():
        assert Session.objects.count() == 1


def test_the_same_name_is_somebody_else_at_each_tenant(
    entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    signed_in = {
        tenant.slug: Browser(api(tenant)).sign_in(entra.directories[tenant.slug].people["alice"])
        for tenant in (acme, globex)
    }

    users = {slug: response.json()["user"] for slug, response in signed_in.items()}
    assert users["acme"]["email"] == users["globex"]["email"] == "alice@corp.example"
    assert users["acme"]["id"] != users["globex"]["id"]


def test_a_page_is_sent_on_and_a_client_told_where_to_go(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme)
    client.headers = {"accept": "text/html,application/xhtml+xml"}

    page = client.get("auth/oidc/start/")

    assert page.status_code == 302
    assert page["Location"].startswith(f"{entra.url}/{entra.directories['acme'].id}/v2.0/auth?")
    cookie = page.cookies["freehold_single_sign_on"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["domain"], cookie["max-age"]) == ("", 600)


def test_two_tabs_of_one_browser(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    person = entra.directories["acme"].people["alice"]
    browser = Browser(api(acme))
    first, second = browser.authorize_url(), browser.authorize_url()

    for address in (first, second):
        response = browser.come_back(browser.sign_in_at_provider(address, person))
        assert browser.fetch_tokens(response).status_code == 200


def test_groups_that_are_too_many_for_the_token(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    response = Browser(api(acme)).sign_in(entra.directories["acme"].people["otto"])

    assert response.json()["user"]["roles"] == ["admin"]


def test_a_wrong_password_at_the_page(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    stranger = entra.directories["globex"].people["alice"]

    response = Browser(api(acme)).sign_in(stranger)

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert_no_session()


def test_keys_that_were_exchanged_are_fetched_once_more(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    directory = entra.directories["acme"]
    assert Browser(api(acme)).sign_in(directory.people["alice"]).status_code == 200
    entra.rotate(directory)

    with context.operator():
        # A minute later.
        cache.delete_pattern("oidc:fetched:*")
    assert Browser(api(acme)).sign_in(directory.people["alice"]).status_code == 200


def test_somebody_who_is_gone_from_the_directory(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    directory = entra.directories["acme"]
    tokens = Browser(api(acme)).sign_in(directory.people["bob"]).json()
    with context.operator():
        Session.objects.update(directory_checked_at="2026-01-01T00:00:00Z")
    entra.change(directory, {"state": "disabled"}, oid=directory.people["bob"].oid)
    try:
        response = api(acme).post("auth/refresh/", {"refresh": tokens["refresh"]})
    finally:
        entra.change(directory, {"state": "active"}, oid=directory.people["bob"].oid)

    assert response.status_code == 401
    with context.operator():
        assert Session.objects.get().revoked_reason == "GONE_FROM_DIRECTORY"


def test_what_is_known_of_the_password(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    directory = entra.directories["acme"]
    client = api(acme)
    tokens = Browser(client).sign_in(directory.people["alice"]).json()
    client.headers = {"authorization": f"Bearer {tokens['access']}"}

    never = client.get("auth/password/info/").json()
    entra.change(directory, {"validity": 90})
    try:
        aging = client.get("auth/password/info/").json()
    finally:
        entra.change(directory, {"validity": None})
    changed = client.post("auth/password/change/", {"old_password": "a", "new_password": "b"})

    assert (never["source"], never["never_expires"], never["expires_at"]) == (
        "entra_id",
        True,
        None,
    )
    assert never["changed_at"] == "2026-10-01T08:00:00Z"
    assert (aging["never_expires"], aging["expires_at"]) == (False, "2026-12-30T08:00:00Z")
    assert (changed.status_code, changed.json()["code"]) == (409, "not_supported")
    assert changed.json()["details"]["url"].startswith("https://mysignins.microsoft.com/")


def test_a_tenant_without_such_a_page(system: object, api: ApiFactory) -> None:
    at_public_host = api(None)

    for response in (
        at_public_host.get("auth/oidc/start/"),
        at_public_host.get("auth/oidc/callback/", state="x", code="y"),
        at_public_host.post("auth/oidc/token/", {"code": "x"}),
    ):
        assert (response.status_code, response.json()["code"]) == (
            409,
            "single_sign_on_not_offered",
        )


def test_while_the_provider_is_away(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    person = entra.directories["acme"].people["alice"]
    browser = Browser(api(acme))
    back = browser.sign_in_at_provider(browser.authorize_url(), person)

    with entra.away():
        response = browser.come_back(back)

    assert (response.status_code, response.json()["code"]) == (503, "auth_backend_unavailable")
    assert response["Retry-After"] == "15"
    assert_no_session()
    assert browser.sign_in(person).status_code == 200


WRONG_SECRETS = {
    "a wrong secret": ({"client_secret": "wrong~Zz9"}, "is not accepted"),
    "no PEM": (
        {"client_certificate": "-----BEGIN Zz9"},
        "no PEM text of a certificate and its key",
    ),
}


def test_a_client_that_the_provider_does_not_know(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory, caplog: pytest.LogCaptureFixture
) -> None:
    person = entra.directories["acme"].people["alice"]
    for what, (secrets, reason) in WRONG_SECRETS.items():
        use_entra(acme, entra, secrets=secrets, password_grant=True)
        steps = list(trying.try_connection(tenant_id=acme.id))
        browser = Browser(api(acme))
        body = {"username": person.username, "password": person.password}

        for response in (browser.sign_in(person), browser.api.post("auth/login/", body)):
            answer = (response.status_code, response.json()["code"])
            assert answer == (503, "auth_backend_unavailable"), what
            assert response.json()["detail"] == "Nobody can be signed in at the moment."
            assert response.json()["details"] == {}
        assert caplog.text.count(reason) >= 2
        assert [step.ok for step in steps] == [True, False], what
        assert reason in steps[-1].text
        assert "Zz9" not in steps[-1].text + caplog.text
    assert_no_session()


def test_trying_a_password_asks_nobody_where_it_is_not_taken(
    entra: OidcProvider, acme: TenantIdentity
) -> None:
    person = entra.directories["acme"].people["alice"]
    entra.forget()

    trial = trying.try_sign_in(
        tenant_id=acme.id, username=person.username, password=person.password
    )

    assert (trial.is_proven, trial.answer, entra.seen()) == (False, "use_sso", [])


def test_a_provider_that_does_not_answer_is_not_asked_by_everybody(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    with context.operator():
        cache.clear()
    with entra.away():
        answers = [Browser(api(acme)).begin() for _ in range(2)]
    afterwards = Browser(api(acme)).begin()
    with context.operator():
        # Some seconds later.
        cache.delete_pattern("oidc:fetched:*")

    assert [answer.status_code for answer in (*answers, afterwards)] == [503, 503, 503]
    assert Browser(api(acme)).begin().status_code == 200
