"""Attacks 1 to 17 on tokens, by their numbers in the threat list."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import psycopg
import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Role
from shared_apps.accounts.models import User
from shared_apps.authn.errors import LoginExpiredError
from shared_apps.authn.models import RefreshToken, Session
from shared_apps.authn.services import ending, opening, refreshing, signing_in
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import TenantState
from tests.attacks.forgery import ABSENT, claims_in, signed
from tests.client import Api
from tests.concurrency import at_once
from tests.installation import PASSWORD
from tests.people import Person, add_role, make_person

ApiFactory = Callable[..., Api]


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme, "admin")


@pytest.fixture
def client(acme: TenantIdentity, api: ApiFactory, victim: Person) -> Api:
    """The victim, signed in at acme."""
    client = api(acme)
    client.sign_in(victim.email, PASSWORD)
    return client


def show(client: Api, access: str) -> Any:
    client.headers = {"authorization": f"Bearer {access}"}
    return client.get("auth/user/")


def refresh(client: Api, token: str) -> Any:
    return client.post("auth/refresh/", {"refresh": token})


def assert_refused(response: Any) -> None:
    assert (response.status_code, response.json()["code"]) == (401, "token_not_valid")
    assert response.json()["error"] == "Invalid token"


def assert_untouched(client: Api) -> None:
    """The session of the victim lives, and its refresh token is still good for its one use."""
    assert show(client, client.tokens["access"]).status_code == 200
    with context.operator():
        assert RefreshToken.objects.filter(used_at=None).count() == 1
        assert RefreshToken.objects.count() == Session.objects.count() == 1
    assert refresh(client, client.tokens["refresh"]).status_code == 200


def age_used_tokens(seconds: int = 60) -> None:
    with context.operator():
        for token in RefreshToken.objects.exclude(used_at=None):
            token.used_at -= timedelta(seconds=seconds)  # type: ignore[operator]
            token.save()


def test_01_an_access_token_on_another_host(
    globex: TenantIdentity, api: ApiFactory, client: Api, victim: Person
) -> None:
    add_role(victim, globex, "admin")

    for elsewhere in (api(globex), api(None)):
        assert_refused(show(elsewhere, client.tokens["access"]))

    assert_untouched(client)


def test_02_a_refresh_token_on_another_host(
    globex: TenantIdentity, api: ApiFactory, client: Api, victim: Person
) -> None:
    add_role(victim, globex, "admin")

    for elsewhere in (api(globex), api(None)):
        assert_refused(refresh(elsewhere, client.tokens["refresh"]))
        assert_refused(elsewhere.post("auth/logout/", {"refresh": client.tokens["refresh"]}))

    assert_untouched(client)


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", None])
def test_03_no_algorithm(client: Api, algorithm: str | None) -> None:
    _, payload, signature = client.tokens["access"].split(".")
    kid = next(iter(settings.JWT_SIGNING_KEYS))
    for header in ({"alg": algorithm, "typ": "JWT", "kid": kid}, {"typ": "JWT", "kid": kid}):
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
        for end in ("", signature):
            assert_refused(show(client, f"{head}.{payload}.{end}"))

    assert_untouched(client)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_03_another_algorithm_with_our_own_key(client: Api, algorithm: str) -> None:
    kid, key = next(iter(settings.JWT_SIGNING_KEYS.items()))
    key = key.ljust(64, "0")
    with override_settings(JWT_SIGNING_KEYS={kid: key}):
        forged = jwt.encode(
            claims_in(client.tokens["access"]), key, algorithm=algorithm, headers={"kid": kid}
        )
        assert_refused(show(client, forged))

    assert_untouched(client)


@pytest.mark.parametrize("key", ["", "k1", "a key that the attacker made up, long enough"])
def test_03_another_key(client: Api, key: str) -> None:
    kid = next(iter(settings.JWT_SIGNING_KEYS))
    head, payload, _ = signed(client.tokens["access"]).split(".")

    mac = hmac.new(key.encode(), f"{head}.{payload}".encode(), hashlib.sha256).digest()
    forged = f"{head}.{payload}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"
    assert jwt.get_unverified_header(forged)["kid"] == kid

    assert_refused(show(client, forged))
    assert_untouched(client)


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": ""},
        {"kid": "../../../../dev/null"},
        {"kid": "' UNION SELECT 'x' --"},
        {"jku": "http://127.0.0.1:1/keys"},
        {"x5u": "http://127.0.0.1:1/cert"},
        {"jwk": {"kty": "oct", "k": "AAAA"}},
        {"crit": ["exp"]},
    ],
)
def test_04_a_header_that_names_a_key(client: Api, header: dict[str, Any]) -> None:
    assert_refused(show(client, signed(client.tokens["access"], header=header)))
    assert_refused(refresh(client, signed(client.tokens["refresh"], header=header)))
    assert_untouched(client)


@pytest.mark.parametrize("kid", [None, 7, ["k1"], {}, True])
def test_04_a_kid_of_another_type(client: Api, kid: Any) -> None:
    header = {"alg": "HS256", "typ": "JWT", "kid": kid}
    _, payload, signature = client.tokens["access"].split(".")
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")

    assert_refused(show(client, f"{head}.{payload}.{signature}"))
    assert_untouched(client)


def test_05_a_token_of_another_kind(client: Api) -> None:
    assert_refused(show(client, client.tokens["refresh"]))
    assert_refused(refresh(client, client.tokens["access"]))
    for kind in ("id", "change", "Access", None, ["access"]):
        assert_refused(show(client, signed(client.tokens["access"], typ=kind)))

    assert_untouched(client)


@pytest.mark.parametrize(
    "claim", ["exp", "aud", "iss", "tid", "sid", "typ", "sub", "jti", "iat", "nbf", "auth_time"]
)
def test_06_a_claim_is_missing_or_of_another_type(client: Api, claim: str) -> None:
    values: list[Any] = [
        ABSENT,
        None,
        "",
        "x",
        [],
        {},
        True,
        1.5,
        -(10**18),
        10**30,
        [str(uuid4())],
    ]
    for value in values:
        assert_refused(show(client, signed(client.tokens["access"], **{claim: value})))
        assert_refused(refresh(client, signed(client.tokens["refresh"], **{claim: value})))

    assert_untouched(client)


def test_06_a_claim_list_that_holds_the_right_audience(client: Api, acme: TenantIdentity) -> None:
    both = [str(acme.id), str(uuid4())]

    assert_refused(show(client, signed(client.tokens["access"], aud=both)))
    assert_refused(show(client, signed(client.tokens["access"], tid=str(uuid4()))))
    assert_untouched(client)


def test_06_a_session_or_person_that_is_somebody_elses(acme: TenantIdentity, client: Api) -> None:
    for changes in ({"sub": str(make_person(acme).id)}, {"sid": str(uuid4())}):
        assert_refused(show(client, signed(client.tokens["access"], **changes)))
        assert_refused(refresh(client, signed(client.tokens["refresh"], **changes)))

    assert_untouched(client)


def test_07_another_deployment_with_the_same_tenant(client: Api) -> None:
    assert_refused(show(client, signed(client.tokens["access"], iss="other.example")))
    assert_untouched(client)


def test_08_one_refresh_token_used_eight_times_at_once(
    acme: TenantIdentity, api: ApiFactory, client: Api
) -> None:
    token = client.tokens["refresh"]

    responses = at_once([lambda: refresh(api(acme), token)] * 8)

    statuses = sorted(response.status_code for response in responses)
    assert statuses == [200] + [401] * 7
    [winner] = [response.json() for response in responses if response.status_code == 200]
    assert show(client, winner["access"]).status_code == 200
    with context.operator():
        assert RefreshToken.objects.count() == 2


def test_09_a_rotated_refresh_token_is_replayed(client: Api, victim: Person) -> None:
    renewed = refresh(client, client.tokens["refresh"]).json()
    age_used_tokens()

    assert_refused(refresh(client, client.tokens["refresh"]))

    for access in (client.tokens["access"], renewed["access"]):
        assert_refused(show(client, access))
    assert_refused(refresh(client, renewed["refresh"]))
    with context.operator():
        session = Session.objects.get(user=victim.id)
        assert (session.revoked_reason, RefreshToken.objects.count()) == ("REFRESH_REPLAYED", 2)


def test_09_the_replay_is_in_the_audit_trail(client: Api) -> None:
    refresh(client, client.tokens["refresh"])
    age_used_tokens()
    refresh(client, client.tokens["refresh"])

    entries = outbox("authn_session", "UPDATE")

    assert [new["revoked_reason"] for new in entries] == ["REFRESH_REPLAYED"]


def outbox(table: str, operation: str) -> list[dict[str, Any]]:
    database = settings.DATABASES["migration"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"],
    ) as connection:  # fmt: skip
        rows = connection.execute(
            "SELECT new_values FROM audit_outbox WHERE table_name = %s AND operation = %s ORDER BY id",
            [table, operation],
        ).fetchall()
    return [row[0] for row in rows]


def test_10_an_access_token_after_logout(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, client: Api
) -> None:
    other = api(acme)
    other.sign_in(client.tokens["user"]["email"], PASSWORD)

    assert client.post("auth/logout/", {"refresh": client.tokens["refresh"]}).status_code == 204

    for host in (client, api(globex), api(None)):
        assert_refused(show(host, client.tokens["access"]))
    assert show(other, other.tokens["access"]).status_code == 200


def test_11_a_refresh_token_after_logout(
    globex: TenantIdentity, api: ApiFactory, client: Api
) -> None:
    client.post("auth/logout/", {"refresh": client.tokens["refresh"]})

    for host in (client, api(globex), api(None)):
        assert_refused(refresh(host, client.tokens["refresh"]))
        assert_refused(host.post("auth/logout/", {"refresh": client.tokens["refresh"]}))

    with context.operator():
        assert RefreshToken.objects.count() == 1


def test_12_a_session_is_refreshed_for_ever(acme: TenantIdentity, victim: Person) -> None:
    start = timezone.now()
    _, pair = signing_in.sign_in(
        tenant_id=acme.id, username=victim.email, password=PASSWORD,
        client=opening.Client(ip=None, user_agent=""), at=start,
    )  # fmt: skip
    limit = int(start.timestamp()) + settings.MAX_LOGIN_LIFETIME.total_seconds()
    at, rounds = start, 0

    with pytest.raises(LoginExpiredError):  # noqa: PT012 (the round in which it happens is the point)
        while True:
            at += timedelta(minutes=50)
            pair = refreshing.refresh(tenant_id=acme.id, token=pair.refresh, at=at)
            rounds += 1
            for token in (pair.access, pair.refresh):
                assert claims_in(token)["exp"] <= limit
                assert claims_in(token)["auth_time"] == int(start.timestamp())

    assert rounds == settings.MAX_LOGIN_LIFETIME // timedelta(minutes=50)


def test_12_the_sign_in_time_of_a_token_is_tampered_with(client: Api) -> None:
    with context.operator():
        Session.objects.update(auth_time=timezone.now() - settings.MAX_LOGIN_LIFETIME)

    later = int(time.time()) + 3600
    assert_refused(show(client, signed(client.tokens["access"], auth_time=later, exp=later)))
    response = refresh(client, signed(client.tokens["refresh"], auth_time=later))
    assert (response.status_code, response.json()["code"]) == (401, "login_expired")
    with context.operator():
        assert RefreshToken.objects.filter(used_at=None).count() == 1


def test_13_an_old_token_after_a_change(
    acme: TenantIdentity, api: ApiFactory, client: Api, victim: Person
) -> None:
    def ask() -> tuple[int, int]:
        return client.get("auth/user/").status_code, client.get("users/").status_code

    assert ask() == (200, 200)
    accounts.change_role(tenant_id=acme.id, user_id=victim.id, role=Role.VIEWER, by=None)
    assert ask() == (200, 403)

    tenants.change_state(
        tenant_id=acme.id, to=TenantState.SUSPENDED, at=timezone.now(), reason="unpaid"
    )
    assert ask() == (403, 403)
    tenants.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=timezone.now())
    assert ask() == (200, 403)

    accounts.revoke_role(tenant_id=acme.id, user_id=victim.id, by=None)
    assert ask() == (403, 403)


def test_13_a_disabled_person(client: Api, victim: Person) -> None:
    with context.operator():
        User.objects.filter(id=victim.id).update(is_active=False)

    assert_refused(client.get("auth/user/"))
    assert_refused(refresh(client, client.tokens["refresh"]))


def test_14_the_tokens_of_a_deleted_person(client: Api, victim: Person) -> None:
    with context.operator():
        User.objects.get(id=victim.id).delete()

    assert_refused(client.get("auth/user/"))
    assert_refused(refresh(client, client.tokens["refresh"]))
    assert_refused(client.post("auth/logout/", {"refresh": client.tokens["refresh"]}))


def test_15_a_dump_of_the_database(client: Api) -> None:
    with context.operator():
        [row] = RefreshToken.objects.values()
        [session] = Session.objects.values()

    token = client.tokens["refresh"]
    assert not any(part in f"{row}{session}" for part in token.split("."))
    assert_refused(refresh(client, row["hash"]))
    # Even with the signing key: the stored hash is of the token as it was sent.
    assert_refused(refresh(client, signed(token, exp=claims_in(token)["exp"] - 1)))


def test_15_no_token_is_in_the_audit_trail(client: Api) -> None:
    refresh(client, client.tokens["refresh"])

    entries = outbox("authn_session", "CREATE")

    assert len(entries) == 1
    assert outbox("authn_refreshtoken", "CREATE") == []
    assert client.tokens["refresh"].split(".")[2] not in json.dumps(entries)


def test_16_the_clean_up_spares_what_lives(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, client: Api
) -> None:
    with context.operator():
        Session.objects.update(expires_at=timezone.now() - timedelta(days=60))
    live = [api(acme, "viewer"), api(globex, "editor"), api(None)]
    live[2].sign_in("operator@example.com", PASSWORD)

    assert ending.delete_expired_sessions(at=timezone.now()) == 1
    assert ending.delete_expired_sessions(at=timezone.now()) == 0

    for client in live:
        assert show(client, client.tokens["access"]).status_code == 200
        assert refresh(client, client.tokens["refresh"]).status_code == 200


def test_17_a_key_is_retired(client: Api) -> None:
    old = dict(settings.JWT_SIGNING_KEYS)
    new = {"new": "a fresh signing key of sufficient length"}

    with override_settings(JWT_SIGNING_KEYS={**new, **old}):
        assert show(client, client.tokens["access"]).status_code == 200
        renewed = refresh(client, client.tokens["refresh"]).json()
        assert jwt.get_unverified_header(renewed["access"])["kid"] == "new"
    with override_settings(JWT_SIGNING_KEYS=new):
        assert_refused(show(client, client.tokens["access"]))
        assert show(client, renewed["access"]).status_code == 200
        assert refresh(client, renewed["refresh"]).status_code == 200


def test_17_the_name_of_a_retired_key_with_another_key(client: Api) -> None:
    claims = claims_in(client.tokens["access"])
    kids = list(settings.JWT_SIGNING_KEYS)
    forged = jwt.encode(
        claims, "another key of sufficient length, no less", headers={"kid": kids[-1]}
    )

    assert_refused(show(client, forged))
    assert_untouched(client)
