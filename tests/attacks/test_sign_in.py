"""Attacks on the sign-in itself, by their numbers in the threat list."""

import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from django.test import override_settings

from shared_apps.accounts import passwords
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.hashers import CheapArgon2PasswordHasher
from shared_apps.accounts.models import User, UserTenantRole
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api, told
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.people import Person, make_person

ApiFactory = Callable[..., Api]


class CountingHasher(CheapArgon2PasswordHasher):
    """Argon2 that says how often it ran."""

    runs: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str) -> str:
        self.runs.append("encode")
        return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        self.runs.append("verify")
        return super().verify(password, encoded)


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme)


@pytest.fixture
def disabled(acme: TenantIdentity) -> Person:
    person = make_person(acme)
    with context.operator():
        User.objects.filter(id=person.id).update(is_active=False)
    return person


@pytest.fixture
def without_password(acme: TenantIdentity) -> Person:
    member = accounts.create_person(
        tenant_id=acme.id, email="ida@acme.example", name="", role=Role.VIEWER, password=None,
        by=None, at=datetime.now(UTC),
    )  # fmt: skip
    return Person(id=member.user_id, email=member.user.email)


def sign_in(client: Api, username: str, password: str) -> Any:
    return client.post("auth/login/", {"username": username, "password": password})


def assert_no_session() -> None:
    with context.operator():
        assert (Session.objects.count(), RefreshToken.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    "password", ["", " ", "\x00", PASSWORD + "\x00", "\x00" + PASSWORD, "\ud800"]
)
def test_24_an_empty_blank_or_nul_password(
    acme: TenantIdentity, api: ApiFactory, victim: Person, password: str
) -> None:
    response = sign_in(api(acme), victim.email, password)

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert_no_session()


@pytest.mark.parametrize(
    "name",
    [
        "*", "%", "{0}*", "*{0}", "%{0}", "{0}%", "a)(uid=*", "\\2a", "{0}\x00", "\x00{0}",
        "\u202e{0}", "{0}\u200b", "' OR 1=1 --", "{0}\r\n", "\ud800", "", " ", "x" * 257,
        "admin@acme.example,{0}",
    ],
)  # fmt: skip
def test_25_a_name_that_would_match_more(
    acme: TenantIdentity, api: ApiFactory, victim: Person, name: str
) -> None:
    response = sign_in(api(acme), name.format(victim.email), PASSWORD)

    assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
    assert_no_session()


def test_48_all_refusals_look_the_same_and_cost_one_hash(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person,
    disabled: Person, without_password: Person,
) -> None:  # fmt: skip
    stranger = make_person(globex)
    attempts = {
        "wrong password": (victim.email, "wrong password"),
        "unknown": ("nobody@acme.example", PASSWORD),
        "disabled": (disabled.email, PASSWORD),
        "without a password": (without_password.email, PASSWORD),
        "of another tenant, wrong password": (stranger.email, "wrong password"),
        "empty password": (victim.email, ""),
        "impossible name": ("\x00", PASSWORD),
        "endless password": (victim.email, "x" * 5000),
    }
    hasher = f"{__name__}.CountingHasher"
    answers, costs = {}, {}

    for case, (username, password) in attempts.items():
        client = api(acme)
        client.headers = {"x-request-id": "the-same"}
        CountingHasher.runs.clear()
        with override_settings(PASSWORD_HASHERS=[hasher]):
            response = sign_in(client, username, password)
        answers[case] = (response.status_code, response.content, told(response))
        costs[case] = len(CountingHasher.runs)

    assert set(costs.values()) == {1}, costs
    assert len({str(answer) for answer in answers.values()}) == 1
    assert answers["unknown"][0] == 401
    assert_no_session()


def test_48_only_who_has_proven_it_learns_that_there_is_no_role(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    stranger = make_person(globex)

    proven = sign_in(api(acme), stranger.email, PASSWORD)
    guessed = sign_in(api(acme), stranger.email, "wrong password")

    assert (proven.status_code, proven.json()["code"]) == (403, "no_membership")
    assert (guessed.status_code, guessed.json()["code"]) == (401, "invalid_credentials")
    assert_no_session()


@pytest.mark.parametrize(("size", "status"), [(1024 * 1024, 401), (3 * 1024 * 1024, 413)])
def test_53_an_endless_password(
    acme: TenantIdentity, api: ApiFactory, victim: Person, size: int, status: int
) -> None:
    assert sign_in(api(acme), victim.email, "x" * size).status_code == status
    assert_no_session()


@pytest.fixture
def one_check_at_a_time() -> Iterator[None]:
    """Production's hashing, one at a time."""
    hashers = ["shared_apps.accounts.hashers.LowMemoryArgon2PasswordHasher"]
    passwords._gate.cache_clear()
    # All of them get to the check: the share of a tenant is another limit.
    with override_settings(
        PASSWORD_CHECKS_AT_ONCE=1, PASSWORD_HASHERS=hashers, TENANT_CONNECTIONS=20
    ):
        yield
    passwords._gate.cache_clear()


@pytest.mark.usefixtures("one_check_at_a_time")
def test_53_more_sign_ins_than_memory(
    acme: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    # Each of another name: the limit of one account is another one.
    attempts = [(api(acme), f"nobody{number}@acme.example") for number in range(20)]

    responses = at_once([lambda c=c, n=n: sign_in(c, n, "wrong") for c, n in attempts])

    statuses = [response.status_code for response in responses]
    # One runs and eight wait; the rest are told to come back.
    assert set(statuses) == {401, 503}
    assert statuses.count(401) >= 9
    busy = next(response for response in responses if response.status_code == 503)
    assert (busy["Retry-After"], busy.json()["code"]) == ("5", "accounts.password_checks_busy")
    assert sign_in(api(acme), victim.email, PASSWORD).status_code == 200


def test_20_a_body_that_names_another_tenant(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    admin = api(acme, "admin")
    for field in ("tenant", "tenant_id"):
        body = {"email": "x@acme.example", "name": "", "role": "admin", field: str(globex.id)}
        assert admin.post("users/", body).status_code == 400

    with context.operator():
        assert not User.objects.filter(email="x@acme.example").exists()


def test_22_an_admin_reaches_beyond_the_tenant(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person
) -> None:
    admin, stranger = api(acme, "admin"), make_person(globex)
    elsewhere = api(globex)
    elsewhere.headers = admin.headers

    assert elsewhere.post(
        "users/", {"email": "x@acme.example", "name": "", "role": "admin"}
    ).status_code == 401  # fmt: skip
    for role in ("operator", "auditor", "support", "owner", "ADMIN", "", None):
        assert admin.patch(f"users/{victim.id}/role/", {"role": role}).status_code == 400
    assert admin.patch(f"users/{stranger.id}/role/", {"role": "viewer"}).status_code == 404
    assert admin.delete(f"users/{stranger.id}/").status_code == 404

    with context.operator():
        roles = dict(UserTenantRole.objects.values_list("user_id", "role"))
        assert (roles[victim.id], roles[stranger.id]) == ("editor", "editor")
        assert not User.objects.filter(email="x@acme.example").exists()


@pytest.mark.parametrize(
    "field", ["is_operator", "is_managed_by_operator", "is_active", "user", "id"]
)
def test_55_mass_assignment(
    acme: TenantIdentity, api: ApiFactory, victim: Person, field: str
) -> None:
    admin = api(acme, "admin")

    response = admin.patch(f"users/{victim.id}/role/", {"role": "admin", field: True})

    assert response.status_code == 400
    assert field in response.json()["details"]
    assert admin.get(f"users/{victim.id}/").json()["role"] == "editor"


def test_56_what_is_typed_into_the_form_is_not_logged(
    acme: TenantIdentity, api: ApiFactory, victim: Person, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = api(acme)
    sign_in(client, "mallory\r\nroot signed in\x1b[2J", "the secret typed")
    sign_in(client, "the secret in the wrong field", PASSWORD)
    client.sign_in(victim.email, PASSWORD)
    client.post("auth/refresh/", {"refresh": client.tokens["refresh"]})
    client.post("auth/refresh/", {"refresh": client.tokens["refresh"]})

    logged = caplog.text
    assert logged.count("Sign-in refused: invalid_credentials") == 2
    assert not re.search("mallory|root signed in|secret|horse|\x1b", logged)
    assert client.tokens["refresh"] not in logged
    assert client.tokens["access"] not in logged
