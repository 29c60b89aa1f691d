"""Attacks on signing in at an organisation's own page, by their numbers in the threat list."""

import logging
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.core.cache import cache

from shared_apps.accounts.models import User
from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.concurrency import at_once
from tests.directories.browser import Browser, code_in
from tests.directories.entra import assert_no_session, use_entra
from tests.directories.oidc_provider import OidcPerson, OidcProvider
from tests.people import make_auditor, make_person

ApiFactory = Callable[..., Api]


@pytest.fixture(autouse=True)
def tenants(entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity) -> None:
    for tenant in (acme, globex):
        use_entra(tenant, entra)


@pytest.fixture
def alice(entra: OidcProvider) -> OidcPerson:
    return entra.directories["acme"].people["alice"]


@pytest.fixture
def browser(api: ApiFactory, acme: TenantIdentity) -> Browser:
    return Browser(api(acme))


def changed(address: str, **values: str) -> str:
    """The address that the provider sends back to, with other parameters; empty: without."""
    parts = urlsplit(address)
    query = {name: value[0] for name, value in parse_qs(parts.query).items()} | values
    return parts._replace(query=urlencode({k: v for k, v in query.items() if v})).geturl()


def assert_refused(response: Any, status: int, code: str, what: str = "") -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), what
    assert response.json()["details"] == {}
    assert_no_session()


CLAIMS: dict[str, dict[str, Any]] = {
    "issuer of another directory": {"iss": "https://login.microsoftonline.com/x/v2.0"},
    "issuer as a template": {"iss": "https://login.microsoftonline.com/{tenantid}/v2.0"},
    "no issuer": {"iss": None},
    "another directory": {"tid": str(uuid.uuid4())},
    "no directory": {"tid": None},
    "another audience": {"aud": str(uuid.uuid4())},
    "one audience more": {"aud": [str(uuid.uuid4())]},
    "no audience": {"aud": None},
    "another authorized party": {"azp": str(uuid.uuid4())},
    "another nonce": {"nonce": "A" * 43},
    "no nonce": {"nonce": None},
    "a nonce that is no text": {"nonce": 7},
    "expired": {"exp": 1_700_000_000},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "tomorrow"},
    "an end that is a truth": {"exp": True},
    "from the future": {"iat": 4_000_000_000},
    "not valid yet": {"nbf": 4_000_000_000},
    "nobody": {"oid": None},
    "nobody's id": {"oid": "*"},
}


def test_41_an_id_token_with_a_wrong_claim(
    entra: OidcProvider, browser: Browser, alice: OidcPerson
) -> None:
    for what, claims in CLAIMS.items():
        back = browser.sign_in_at_provider(browser.authorize_url(), alice)
        entra.forge(entra.directories["acme"], claims=claims)

        assert_refused(browser.come_back(back), 401, "invalid_credentials", what)


FORGERIES: dict[str, dict[str, Any]] = {
    "signed with the client secret": {"header": {"alg": "HS256"}, "key": "secret"},
    "signed with the public key": {"header": {"alg": "HS256"}, "key": "public"},
    "not signed": {"header": {"alg": "none"}, "key": "none"},
    "another algorithm in its header": {"header": {"alg": "RS512"}},
    "unknown key": {"header": {"kid": "unknown"}},
    "no key id": {"header": {"kid": 7}},
    "a key id that is a path": {"header": {"kid": "../../dev/null"}},
    "a key of its own": {"header": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "kid": "own"}},
    "not JSON": {"answer": {"id_token": "a.b.c"}},
    "no token": {"answer": {}},
    "a number": {"answer": {"id_token": 7}},
    "endless": {"answer": {"id_token": "a" * 100_000}},
}


def test_41_an_id_token_that_is_not_signed_by_the_directory(
    entra: OidcProvider, browser: Browser, alice: OidcPerson
) -> None:
    by_another = {"signed by another directory": {"from_": entra.directories["globex"]}}
    for what, forgery in {**FORGERIES, **by_another}.items():
        back = browser.sign_in_at_provider(browser.authorize_url(), alice)
        entra.forge(entra.directories["acme"], **forgery)

        assert_refused(browser.come_back(back), 401, "invalid_credentials", what)


@pytest.mark.parametrize("link_members", [False, True])
def test_42_a_directory_that_claims_somebody_elses_address(
    entra: OidcProvider, globex: TenantIdentity, acme: TenantIdentity, api: ApiFactory,
    link_members: bool,
) -> None:  # fmt: skip
    """Also where addresses are believed: that is of people who were invited by this tenant alone."""
    use_entra(globex, entra, link_members=link_members)
    attacker = entra.directories["globex"].people["bob"]
    victims = [
        make_person(acme).email, make_auditor(acme, globex).email,
        "admin@acme.example", "operator@example.com",
    ]  # fmt: skip
    try:
        for email in victims:
            values = {"email": email, "username": email}
            entra.change(entra.directories["globex"], values, oid=attacker.oid)
            claimed = OidcPerson(email, attacker.password)
            user = Browser(api(globex)).sign_in(claimed).json()["user"]
            with context.operator():
                owners = set(User.objects.filter(email=email).values_list("id", flat=True))
            assert len(owners) == 2
            assert (user["email"], user["roles"]) == (email, ["viewer"])
            with context.operator():
                assert not Session.objects.filter(
                    user_id__in=owners - {uuid.UUID(user["id"])}
                ).exclude(tenant_id=acme.id)
    finally:
        values = {"email": attacker.email, "username": attacker.username}
        entra.change(entra.directories["globex"], values, oid=attacker.oid)


def test_42_a_directory_that_claims_somebody_elses_id(
    entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    alice: OidcPerson,
) -> None:  # fmt: skip
    victim = Browser(api(acme)).sign_in(alice).json()["user"]
    attacker = entra.directories["globex"].people["bob"]
    browser = Browser(api(globex))
    back = browser.sign_in_at_provider(browser.authorize_url(), attacker)
    directory = entra.directories["globex"]
    entra.forge(directory, claims={"oid": alice.oid, "preferred_username": alice.username})

    user = browser.fetch_tokens(browser.come_back(back)).json()["user"]

    assert user["id"] != victim["id"]


def test_43_an_answer_that_is_used_twice(browser: Browser, alice: OidcPerson) -> None:
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    response = browser.come_back(back)
    assert response.status_code == 302

    assert_refused(browser.come_back(back), 400, "sign_in_attempt_not_valid")
    assert browser.fetch_tokens(response).status_code == 200
    again = browser.fetch_tokens(response)
    assert (again.status_code, again.json()["code"]) == (400, "sign_in_attempt_not_valid")
    with context.operator():
        assert Session.objects.count() == 1


def test_43_an_answer_that_is_used_eight_times_at_once(
    entra: OidcProvider, browser: Browser, alice: OidcPerson
) -> None:
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    entra.forget()

    responses = at_once([lambda: browser.come_back(back)] * 8)

    assert sorted(response.status_code for response in responses) == [302, *[400] * 7]
    assert [line for line in entra.seen() if line.endswith("/token")] == [
        f"POST /{entra.directories['acme'].id}/v2.0/token"
    ]
    came = next(response for response in responses if response.status_code == 302)
    fetched = at_once([lambda: browser.fetch_tokens(came)] * 8)
    assert sorted(response.status_code for response in fetched) == [200, *[400] * 7]
    with context.operator():
        assert Session.objects.count() == 1


def test_43_another_browser(
    acme: TenantIdentity, api: ApiFactory, browser: Browser, alice: OidcPerson
) -> None:
    """Its own sign-in is shown to a victim (login CSRF), or another's is brought to an end."""
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    without, other = Browser(api(acme)), Browser(api(acme))
    other.authorize_url()

    for stranger in (without, other):
        assert_refused(stranger.come_back(back), 400, "sign_in_attempt_not_valid")
    response = browser.come_back(back)
    for stranger in (without, other):
        assert_refused(stranger.fetch_tokens(response), 400, "sign_in_attempt_not_valid")
    # None of it took anything from its owner.
    assert browser.fetch_tokens(response).status_code == 200


def test_43_another_tenant(
    entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    browser: Browser, alice: OidcPerson,
) -> None:  # fmt: skip
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    elsewhere = Browser(api(globex))
    elsewhere.api.http.cookies = browser.api.http.cookies

    assert_refused(elsewhere.come_back(back), 400, "sign_in_attempt_not_valid")
    response = browser.come_back(back)
    assert_refused(elsewhere.fetch_tokens(response), 400, "sign_in_attempt_not_valid")


ANSWERS: list[dict[str, str]] = [
    {"state": ""},
    {"state": "A" * 43},
    {"state": "A" * 43 + "." + "A" * 43},
    {"state": "\x00"},
    {"state": "é" * 87},
    {"state": "*"},
    {"iss": ""},
    {"iss": "https://attacker.example"},
    {"iss": "https://login.microsoftonline.com/common/v2.0"},
]


def test_43_an_answer_with_another_state_or_issuer(browser: Browser, alice: OidcPerson) -> None:
    for values in ANSWERS:
        back = browser.sign_in_at_provider(browser.authorize_url(), alice)

        response = browser.come_back(changed(back, **values))

        assert_refused(response, 400, "sign_in_attempt_not_valid", str(values))


def test_43_parameters_that_are_there_twice(browser: Browser, alice: OidcPerson) -> None:
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)

    assert_refused(browser.come_back(f"{back}&state=x"), 400, "sign_in_attempt_not_valid")
    assert_refused(browser.come_back(f"{back}&code=x"), 400, "sign_in_attempt_not_valid")


def test_43_the_code_of_another_attempt(browser: Browser, alice: OidcPerson) -> None:
    """It was made for another challenge and another nonce."""
    mine = browser.sign_in_at_provider(browser.authorize_url(), alice)
    stolen = browser.sign_in_at_provider(browser.authorize_url(), alice)
    code = parse_qs(urlsplit(stolen).query)["code"][0]

    assert_refused(browser.come_back(changed(mine, code=code)), 401, "invalid_credentials")


def test_43_the_directory_was_changed_in_between(
    entra: OidcProvider, acme: TenantIdentity, browser: Browser, alice: OidcPerson
) -> None:
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    handed_over = browser.come_back(browser.sign_in_at_provider(browser.authorize_url(), alice))
    use_entra(acme, entra, directory_id=entra.directories["globex"].id)

    assert_refused(browser.come_back(back), 400, "sign_in_attempt_not_valid")
    assert_refused(browser.fetch_tokens(handed_over), 400, "sign_in_attempt_not_valid")


ADDRESSES = [
    "https://attacker.example/",
    "//attacker.example/",
    "/\\attacker.example",
    "\\\\attacker.example",
    "/\t/attacker.example",
    "/\n//attacker.example",
    "javascript:alert(1)",
    "attacker.example",
    "",
    " /",
    "/x\x00",
    "///attacker.example",
    "/page#sign_in_code=mine",
    "/" + "x" * 2000,
    "http:///attacker.example",
    "/\r\nLocation: https://attacker.example",
]


def test_44_an_address_that_leads_away(entra: OidcProvider, browser: Browser) -> None:
    for address in ADDRESSES:
        assert_refused(browser.begin(next=address), 400, "next_not_valid", ascii(address))

    assert entra.seen() == []


def test_44_the_provider_sends_back_to_nobody_else(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory
) -> None:
    """Neither a parameter nor a header says where; and Entra knows the addresses that it may send to."""
    client = api(acme)
    client.headers = {
        "x-forwarded-host": "attacker.example", "forwarded": "host=attacker.example"
    }  # fmt: skip

    url = Browser(client).authorize_url(redirect_uri="https://attacker.example/")

    query = parse_qs(urlsplit(url).query)
    assert query["redirect_uri"] == ["http://acme.localhost/api/v1/auth/oidc/callback/"]
    assert url.startswith(f"{entra.url}/{entra.directories['acme'].id}/")


def test_45_a_flood_of_unknown_keys(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory, alice: OidcPerson
) -> None:
    directory = entra.directories["acme"]
    entra.forget()
    for number in range(5):
        browser = Browser(api(acme))
        back = browser.sign_in_at_provider(browser.authorize_url(), alice)
        entra.forge(directory, header={"kid": f"unknown-{number}"})
        assert_refused(browser.come_back(back), 401, "invalid_credentials")

    jwks = f"GET /{directory.id}/v2.0/jwks"
    assert entra.seen().count(jwks) == 1
    # Those who sign in with a key that is known never notice.
    assert Browser(api(acme)).sign_in(alice).status_code == 200
    assert entra.seen().count(jwks) == 1


def test_45_many_at_once_fetch_the_keys_once(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory, alice: OidcPerson
) -> None:
    browsers = [Browser(api(acme)) for _ in range(6)]
    returns = [browser.sign_in_at_provider(browser.authorize_url(), alice) for browser in browsers]
    with context.operator():
        cache.clear()
    entra.forget()

    responses = at_once(
        [
            lambda b=b, back=back: b.come_back(back)
            for b, back in zip(browsers, returns, strict=True)
        ]
    )

    assert [response.status_code for response in responses] == [302] * 6
    seen = entra.seen()
    assert len([line for line in seen if line.endswith("/jwks")]) == 1
    assert len([line for line in seen if line.endswith("openid-configuration")]) == 1


def test_46_a_source_of_claims_that_is_somebody_elses(
    entra: OidcProvider, browser: Browser, acme: TenantIdentity
) -> None:
    """The address would be asked at the provider itself, if at all: it is there, and is not asked."""
    otto = entra.directories["acme"].people["otto"]
    entra.change(entra.directories["acme"], {"overage": f"{entra.url}/stolen"}, oid=otto.oid)
    back = browser.sign_in_at_provider(browser.authorize_url(), otto)
    entra.forget()

    response = browser.fetch_tokens(browser.come_back(back))

    assert response.json()["user"]["roles"] == ["admin"]
    assert f"POST /graph/v1.0/users/{otto.oid}/getMemberObjects" in entra.seen()
    assert [line for line in entra.seen() if "stolen" in line] == []


def test_47_a_password_where_people_sign_in_at_the_page(
    entra: OidcProvider, acme: TenantIdentity, api: ApiFactory, alice: OidcPerson
) -> None:
    entra.forget()
    answers = set()
    for username, password in (
        (alice.username, alice.password), (alice.username, "wrong"), ("nobody", "x"), ("\x00", ""),
    ):  # fmt: skip
        client = api(acme)
        client.headers = {"x-request-id": "the-same"}
        response = client.post("auth/login/", {"username": username, "password": password})
        assert (response.status_code, response.json()["code"]) == (403, "use_sso")
        answers.add(response.content)

    assert response.json()["details"] == {"authorize_url": "/api/v1/auth/oidc/start/"}
    assert len(answers) == 1
    assert entra.seen() == []
    assert_no_session()


def test_47_a_password_where_the_tenant_insists(
    entra: OidcProvider, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    use_entra(acme, entra, password_grant=True)
    people = entra.directories["acme"].people
    expected = {
        "alice": (200, None), "locked": (401, "invalid_credentials"),
        "expired": (403, "password_expired"), "disabled": (403, "account_restricted"),
        "mfa": (403, "interaction_required"), "conditional_access": (403, "interaction_required"),
        "throttled": (503, "auth_backend_unavailable"),
    }  # fmt: skip

    for name, (status, code) in expected.items():
        for tenant in (acme, globex):
            body = {"username": people[name].username, "password": people[name].password}
            response = api(tenant).post("auth/login/", body)
            answer = (response.status_code, response.json().get("code"))
            assert answer == ((status, code) if tenant == acme else (403, "use_sso")), name


def test_56_neither_codes_nor_tokens_are_logged(
    entra: OidcProvider, browser: Browser, alice: OidcPerson, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="shared_apps")
    back = browser.sign_in_at_provider(browser.authorize_url(), alice)
    query = parse_qs(urlsplit(back).query)
    response = browser.come_back(back)
    tokens = browser.fetch_tokens(response).json()
    browser.come_back(back)
    again = browser.sign_in_at_provider(browser.authorize_url(), alice)
    entra.forge(entra.directories["acme"], claims={"nonce": "mallory\r\nroot"})
    browser.come_back(again)

    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("shared_apps")
    )
    assert "is refused: nonce" in logged
    secrets = [
        query["code"][0], query["state"][0], code_in(response), tokens["access"], tokens["refresh"],
        entra.directories["acme"].client_secret, browser.api.http.cookies["freehold_single_sign_on"].value,
        "mallory",
    ]  # fmt: skip
    assert [secret for secret in secrets if secret in logged] == []
