"""Which host leads where, and what a host that leads nowhere gets."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import routing, services
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


def test_a_look_up_that_is_under_way_while_a_tenant_is_suspended_is_not_remembered(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """It read the state before the change and remembers it after the announcement."""
    has_read, may_go_on = threading.Event(), threading.Event()
    seen: list[TenantState] = []

    def stop_after_reading(execute: Any, *statement: Any) -> Any:
        result = execute(*statement)
        has_read.set()
        assert may_go_on.wait(10)
        return result

    def look_up() -> None:
        try:
            with connection.execute_wrapper(stop_after_reading):
                route = routing.find_route("acme.localhost")
            assert route is not None
            seen.append(route.state)
        finally:
            connection.close()

    routing.announce_change()
    looking = threading.Thread(target=look_up)
    looking.start()
    assert has_read.wait(10)
    now = datetime.now(UTC)
    services.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=now, reason="unpaid")
    try:
        routing.announce_change()
        may_go_on.set()
        looking.join(10)
        assert seen == [TenantState.ACTIVE]
        route = routing.find_route("acme.localhost")
        assert route is not None
        assert route.state == TenantState.SUSPENDED
    finally:
        services.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=now)


def test_another_tenants_token_is_refused(
    acme: TenantIdentity, globex: TenantIdentity, api: Callable[..., Api]
) -> None:
    stranger = api(globex)
    stranger.headers = api(acme, "admin").headers
    response = stranger.get("auth/user/")
    assert response.status_code == 401
    assert response.json()["code"] == "token_not_valid"
