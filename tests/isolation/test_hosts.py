"""Which host leads where, and what a host that leads nowhere gets."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client

from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import services
from shared_apps.tenants.choices import TenantState
from tests.client import Api


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("unknown.localhost", 404),
        ("127.0.0.1", 404),
        ("acme.localhost.evil.example", 404),
        ("acme", 404),
        ("a_b.localhost", 400),
        ("acme.localhost@globex.localhost", 400),
        ("acme.localhost:port", 400),
        ("", 400),
    ],
)
def test_an_odd_host_is_refused_with_a_problem(
    acme: TenantIdentity, host: str, status: int
) -> None:
    response = Client().get("/api/v1/version-info/", headers={"host": host})
    assert response.status_code in (status, 400)
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["success"] is False


@pytest.mark.parametrize("host", ["ACME.localhost", "acme.localhost:8000", "acme.localhost."])
def test_a_host_is_compared_in_canonical_form(acme: TenantIdentity, host: str) -> None:
    assert Client().get("/api/v1/version-info/", headers={"host": host}).status_code == 200


def test_no_header_chooses_a_tenant(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    client = api(acme, "viewer")
    client.headers |= {"x-forwarded-host": "globex.localhost", "x-tenant": "globex"}
    assert client.get("auth/user/").status_code == 200


def test_a_suspended_tenant_is_refused_with_the_reason_and_comes_back(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    client, other = api(acme, "viewer"), api(globex, "viewer")
    now = datetime.now(UTC)

    services.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=now, reason="unpaid")
    try:
        refused = client.get("auth/user/")
        assert refused.status_code == 403
        assert refused.json()["details"] == {"reason": "unpaid"}
        assert other.get("auth/user/").status_code == 200
    finally:
        services.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=now)

    assert client.get("auth/user/").status_code == 200


def test_another_tenants_token_is_refused(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    stranger = api(globex)
    stranger.headers = api(acme, "admin").headers
    response = stranger.get("auth/user/")
    assert response.status_code == 401
    assert response.json()["code"] == "token_not_valid"
