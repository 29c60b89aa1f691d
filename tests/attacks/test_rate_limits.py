"""Asking too often: who is refused, who is not, and what it costs."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from config.env import Environment
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.limits import TenantQuotas
from shared_apps.core.rate_limits import refusals
from shared_apps.core.rate_limits.rates import RateClass
from shared_apps.tenants import services, storage
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import add_role, make_person
from tests.rate_limits import let_pass, rates
from tests.tenant_files import save

ApiFactory = Callable[..., Api]
OURS = Environment(source={"N": "127.0.0.0/8"}).networks("N")
HOME, ELSEWHERE = "203.0.113.1", "198.51.100.66"


def statuses(client: Api, *, times: int, path: str = "auth/user/") -> list[int]:
    return [client.get(path).status_code for _ in range(times)]


def buy(tenant: TenantIdentity, **quotas: Any) -> None:
    """What `tenant apply` does with `limits:`."""
    services.change_details(
        tenant_id=tenant.id, name=tenant.slug, quotas=TenantQuotas(**quotas), features={}
    )


@pytest.fixture
def cheap(acme: TenantIdentity) -> Any:
    """Give acme back what it has."""
    yield
    buy(acme)


def test_the_hundred_and_first_request_is_refused_and_the_window_slides(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    client, colleague = api(acme, role="viewer"), api(acme, role="editor")
    stranger = api(globex, role="viewer")
    with rates(person=100):
        assert statuses(client, times=40) == [200] * 40
        let_pass(30)
        assert statuses(client, times=60) == [200] * 60
        refused = client.get("auth/user/")

        assert refused.status_code == 429
        assert refused["Content-Type"] == "application/problem+json"
        body = refused.json()
        assert (body["code"], body["error"], body["success"]) == (
            "rate_limited", "Rate limit exceeded", False,
        )  # fmt: skip
        assert body["details"] == {"limit": "person", "requests": 100, "seconds": 60}
        assert 20 <= int(refused["Retry-After"]) <= 30  # the first forty are 30 s old
        assert refused["RateLimit-Limit"] == "100"
        assert refused["RateLimit-Remaining"] == "0"
        assert refused["RateLimit-Reset"] == refused["Retry-After"]
        assert refused["RateLimit"] == f'"person";r=0;t={refused["Retry-After"]}'
        assert refused["RateLimit-Policy"] == (
            f'"person";q=100;w=60, "tenant";q={settings.RATE_LIMITS.tenant};w=60'
        )
        assert colleague.get("auth/user/").status_code == 200
        assert stranger.get("auth/user/").status_code == 200

        # Exactly after what it was told to wait: the first forty have left, the sixty have not.
        let_pass(int(refused["Retry-After"]))
        assert statuses(client, times=41) == [200] * 40 + [429]


def test_each_answer_says_what_is_left(acme: TenantIdentity, api: ApiFactory) -> None:
    client = api(acme, role="viewer")
    with rates(person=10, tenant=1000, write=2):
        first = client.get("auth/user/")
        assert (first["RateLimit-Limit"], first["RateLimit-Remaining"]) == ("10", "9")
        assert first["RateLimit"] == '"person";r=9;t=60'
        # Refused by its role, and an address that leads nowhere: answers all the same.
        assert client.get("users/")["RateLimit-Remaining"] == "8"
        assert client.post("vendors/", {"name": "Paper AG"})["RateLimit"] == '"write";r=1;t=60'
        assert api(acme).get("version-info/")["RateLimit-Policy"].startswith('"address";q=')
        assert api(acme).get("nothing/")["RateLimit-Policy"].startswith('"address";q=')

        health = Client().get("/health/live", headers={"host": "acme.localhost"})
        assert (health.status_code, "RateLimit" in health) == (200, False)


def test_a_request_that_one_limit_refuses_is_not_counted_by_the_others(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme, role="editor")
    with rates(person=5, write=1):
        assert client.post("vendors/", {"name": "Paper AG"}).status_code == 201
        for _ in range(10):
            refused = client.post("vendors/", {"name": "Paper AG"})
            assert refused.json()["details"]["limit"] == "write"
        assert statuses(client, times=5) == [200] * 4 + [429]


def test_a_tenant_has_what_it_bought_from_the_next_request_on(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, cheap: None
) -> None:
    people = [api(acme, role=role) for role in ("admin", "editor", "viewer")]
    stranger = api(globex, role="viewer")
    with override_settings(RATE_PLANS={"basic": {"tenant": 4}, "standard": {"tenant": 9}}):
        buy(acme, plan="basic")
        first = [client.get("auth/user/").status_code for client in people]
        second = [client.get("auth/user/") for client in people]
        assert first + [answer.status_code for answer in second] == [200] * 4 + [429] * 2
        assert second[-1].json()["details"] == {"limit": "tenant", "requests": 4, "seconds": 60}
        # Nobody's requests use up what the tenant has, and nobody else is refused.
        assert statuses(api(acme), times=3, path="version-info/") == [200] * 3
        assert stranger.get("auth/user/").status_code == 200

        buy(acme, plan="standard")
        assert statuses(people[0], times=6) == [200] * 5 + [429]
        # Its own number before the plan's.
        buy(acme, plan="standard", requests_per_minute=11)
        assert statuses(people[1], times=3) == [200] * 2 + [429]
        # One that nobody knows any more: the installation's.
        buy(acme, plan="gold")
        assert statuses(people[1], times=3) == [200] * 3


def test_people_are_counted_at_each_tenant_for_itself(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    both = make_person(acme)
    add_role(both, globex, "viewer")
    here, there = api(acme), api(globex)
    for client in (here, there):
        client.sign_in(both.email, PASSWORD)
    with rates(person=3):
        assert statuses(here, times=4) == [200] * 3 + [429]
        # globex cannot use up what somebody has at acme.
        assert statuses(there, times=4) == [200] * 3 + [429]


def test_a_refused_person_costs_the_database_nothing(acme: TenantIdentity, api: ApiFactory) -> None:
    client = api(acme, role="viewer")
    with rates(person=1):
        assert client.get("auth/user/").status_code == 200
        with CaptureQueriesContext(connections["default"]) as queries:
            assert client.get("vendors/").status_code == 429
        assert len(queries) == 0


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer not.a.token", "Basic YTpi", "Bearer {other}", "Bearer {refresh}", ""],
)
def test_a_token_that_is_none_is_counted_by_the_address(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, header: str
) -> None:
    elsewhere = api(globex, role="viewer")
    client = api(acme, role="viewer")
    shown = header.format(other=elsewhere.tokens["access"], refresh=client.tokens["refresh"])
    client.headers = {"authorization": shown}
    let_pass(61)
    with rates(address=3):
        assert statuses(client, times=5) == [401] * 3 + [429] * 2
        assert client.get("auth/user/").json()["details"]["limit"] == "address"


def test_a_made_up_cookie_is_counted_by_the_address(acme: TenantIdentity) -> None:
    http = Client()
    found = []
    with rates(address=3):
        for path in ["/api/v1/auth/user/"] * 3 + ["/api/v1/version-info/"] * 2:
            http.cookies[settings.BROWSER_COOKIE_NAME] = f"{len(found):043d}"
            found.append(http.get(path, headers={"host": "acme.localhost"}).status_code)
    assert found == [401] * 3 + [429] * 2


def test_a_browser_is_counted_as_its_person(acme: TenantIdentity, api: ApiFactory) -> None:
    from tests.attacks.test_browser_sessions import Browser

    person = make_person(acme)
    browser, client = Browser(), api(acme)
    browser.sign_in(person)
    client.sign_in(person.email, PASSWORD)
    with rates(person=3):
        assert browser.ask_api().status_code == 200
        assert client.get("auth/user/").status_code == 200
        assert browser.ask_api()["RateLimit-Remaining"] == "0"
        refused = browser.ask_api()
        assert (refused.status_code, refused["RateLimit"][:12]) == (429, '"person";r=0')
        assert client.get("auth/user/").status_code == 429


def test_sign_ins_are_counted_by_address_whatever_they_show(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme, role="viewer")
    body = {"email": "viewer@acme.example", "password": PASSWORD}
    with rates(login=4, address=100):
        let_pass(61)
        answers = [client.post("auth/login/", body) for _ in range(3)]
        answers.append(api(globex).post("auth/login/", {**body, "email": "viewer@globex.example"}))
        assert [answer.status_code for answer in answers] == [200] * 4
        for path in ("auth/login/", "auth/password/reset/", "auth/registration/"):
            refused = client.post(path, body)
            assert (refused.status_code, refused.json()["details"]["limit"]) == (429, "login")
        page = Client().get("/accounts/login/", headers={"host": "acme.localhost"})
        assert page.status_code == 429
        assert client.get("auth/user/").status_code == 200


@pytest.mark.parametrize("forwarded", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Client-IP"])
def test_an_address_that_is_made_up_changes_no_window(
    acme: TenantIdentity, api: ApiFactory, forwarded: str
) -> None:
    found = []
    with rates(address=3):
        for number in range(5):
            client = api(acme)
            client.headers = {forwarded: f"203.0.113.{number}"}
            found.append(client.get("version-info/").status_code)
    assert found == [200] * 3 + [429] * 2


def test_behind_our_own_proxy_each_address_has_its_own(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme)
    with rates(address=2), override_settings(TRUSTED_PROXIES=OURS):
        for address in (HOME, ELSEWHERE, "2001:db8:0:1::7"):
            client.headers = {"x-forwarded-for": f"10.9.8.7, {address}"}
            assert statuses(client, times=3, path="version-info/") == [200, 200, 429]
        # Of one owner of IPv6 all are one.
        client.headers = {"x-forwarded-for": "2001:db8:0:1:ffff::1"}
        assert statuses(client, times=1, path="version-info/") == [429]


def test_the_public_host_has_limits_too(system: Any, api: ApiFactory) -> None:
    operator = api(None)
    operator.sign_in("operator@example.com", PASSWORD)
    with rates(person=2, address=2):
        assert statuses(operator, times=3, path="operator/tenants/") == [200, 200, 429]
        assert operator.get("operator/tenants/")["RateLimit-Policy"] == '"person";q=2;w=60'


def test_refusals_are_counted_for_metrics(acme: TenantIdentity, api: ApiFactory) -> None:
    client = api(acme, role="viewer")
    before = refusals.counts()
    with rates(person=1):
        statuses(client, times=3)
    after = refusals.counts()
    changed = {key: most - before.get(key, 0) for key, most in after.items()}
    assert {key: most for key, most in changed.items() if most} == {("person", RateClass.READ): 2}


def test_without_redis_each_process_counts_its_share(
    acme: TenantIdentity, api: ApiFactory, caplog: pytest.LogCaptureFixture
) -> None:
    client = api(acme, role="viewer")
    gone = override_settings(REDIS_URL="redis://127.0.0.1:1/0", RATE_LIMIT_LOCAL_PERCENT=25)
    with rates(person=12), gone:
        assert statuses(client, times=5) == [200] * 3 + [429] * 2
        refused = client.get("auth/user/")
        assert (refused.json()["code"], refused["RateLimit-Remaining"]) == ("rate_limited", "0")
    assert caplog.text.count("Requests are counted per process") == 1
    with rates(person=12):
        assert client.get("auth/user/")["RateLimit-Remaining"] == "11"


def test_the_doctor_names_plans_that_there_are_not(acme: TenantIdentity, cheap: None) -> None:
    with context.operator():
        assert list(storage.find_problems()) == []
        buy(acme, plan="gold", storage_mb=1)
        save(acme, "large.txt", b"x" * 800_000)
        found = [str(finding) for finding in storage.find_problems()]
    assert len(found) == 2
    assert found[0].startswith("acme: has the plan gold, which RATE_PLANS does not name")
    assert found[1].startswith("acme: its files take 1 of 1 MB")
