"""Attacks with what somebody else made, or at another time, on tokens; by their numbers in the threat list."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.test import override_settings

from shared_apps.authn.models import RefreshToken, Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.attacks.forgery import claims_in
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import Person, add_role, make_person

ApiFactory = Callable[..., Api]


@pytest.fixture(scope="module")
def theirs() -> rsa.RSAPrivateKey:
    """An identity provider's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def victim(acme: TenantIdentity, globex: TenantIdentity) -> Person:
    """An administrator of both tenants."""
    person = make_person(acme, "admin")
    add_role(person, globex, "admin")
    return person


@pytest.fixture
def clients(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, victim: Person
) -> list[Api]:
    """The victim, signed in at each of them."""
    found = [api(acme), api(globex)]
    for client in found:
        client.sign_in(victim.email, PASSWORD)
    return found


def status(client: Api, access: str) -> tuple[int, str]:
    client.headers = {"authorization": f"Bearer {access}"}
    answer = client.get("users/")
    return answer.status_code, answer.json().get("code", "")


def refresh(client: Api, token: str) -> Any:
    return client.post("auth/refresh/", {"refresh": token})


def live_rows() -> tuple[int, int]:
    with context.operator():
        return (
            Session.objects.filter(revoked_at=None).count(),
            RefreshToken.objects.filter(used_at=None).count(),
        )


def assert_untouched(clients: list[Api]) -> None:
    assert live_rows() == (2, 2)
    for client in clients:
        assert status(client, client.tokens["access"]) == (200, "")
        assert refresh(client, client.tokens["refresh"]).status_code == 200


@pytest.mark.parametrize("is_ours_otherwise", [False, True])
def test_05_an_id_token_for_an_access_token(
    clients: list[Api], theirs: rsa.RSAPrivateKey, victim: Person, is_ours_otherwise: bool
) -> None:
    """As the provider made it, and with every claim of a token of ours."""
    kid = next(iter(settings.JWT_SIGNING_KEYS))
    for client in clients:
        claims = claims_in(client.tokens["access"])
        if not is_ours_otherwise:
            told = ("iss", "exp", "iat", "nbf")
            claims = {name: claims[name] for name in told} | {"aud": "client", "nonce": "n"}
            claims["sub"] = str(victim.id)
        id_token = jwt.encode(claims, theirs, algorithm="RS256", headers={"kid": kid})

        assert status(client, id_token) == (401, "token_not_valid")
        assert refresh(client, id_token).status_code == 401

    assert_untouched(clients)


def test_03_a_public_key_is_no_secret(clients: list[Api], theirs: rsa.RSAPrivateKey) -> None:
    """Where somebody put a provider's public key among ours: what everybody knows signs nothing."""
    public = theirs.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    keys = {**settings.JWT_SIGNING_KEYS, "theirs": public.decode()}
    with override_settings(JWT_SIGNING_KEYS=keys):
        for client in clients:
            payload = json.dumps(claims_in(client.tokens["access"])).encode()
            header = {"alg": "HS256", "typ": "JWT", "kid": "theirs"}
            signed = f"{_encoded(json.dumps(header).encode())}.{_encoded(payload)}"
            mac = hmac.new(public, signed.encode(), hashlib.sha256).digest()

            assert status(client, f"{signed}.{_encoded(mac)}") == (401, "token_not_valid")

    assert_untouched(clients)


def test_04_a_flood_of_made_up_headers(clients: list[Api]) -> None:
    """More than are remembered, each with a good token's rest; the good ones go on."""
    for client in clients:
        _, payload, signature = client.tokens["access"].split(".")
        for number in range(100):
            header = {"alg": "HS256", "typ": "JWT", "kid": f"made-up-{number}"}
            head = _encoded(json.dumps(header).encode())
            assert status(client, f"{head}.{payload}.{signature}") == (401, "token_not_valid")
        # A header that was seen before is judged by the keys of the moment.
        with override_settings(JWT_SIGNING_KEYS={"made-up-99": "x" * 40}):
            assert status(client, client.tokens["access"]) == (401, "token_not_valid")
            assert status(client, f"{head}.{payload}.{signature}") == (401, "token_not_valid")

    assert_untouched(clients)


@pytest.mark.parametrize(
    "payload", [b"[]", b'"text"', b"7", b"null", b"{", b"\xff", b"[" * 900], ids=repr
)
def test_06_a_payload_that_is_no_claims(clients: list[Api], payload: bytes) -> None:
    """Even with the signing key."""
    kid, key = next(iter(settings.JWT_SIGNING_KEYS.items()))
    forged = jwt.PyJWS().encode(payload, key, algorithm="HS256", headers={"kid": kid})

    for client in clients:
        assert status(client, forged) == (401, "token_not_valid")
        assert refresh(client, forged).status_code == 401
    assert_untouched(clients)


def test_12_a_lowered_limit_counts_for_those_who_are_signed_in(clients: list[Api]) -> None:
    """From the next request on, at every tenant; nothing of the session is used up by asking."""
    with context.operator():
        for session in Session.objects.all():
            session.auth_time -= timedelta(minutes=10)
            session.save(update_fields=["auth_time"])

    with override_settings(MAX_LOGIN_LIFETIME=timedelta(minutes=10)):
        for client in clients:
            assert status(client, client.tokens["access"]) == (401, "token_not_valid")
            answer = refresh(client, client.tokens["refresh"])
            assert (answer.status_code, answer.json()["code"]) == (401, "login_expired")

    assert_untouched(clients)


def _encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
