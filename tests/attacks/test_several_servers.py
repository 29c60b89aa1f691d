"""Attacks 10 and 13 where several servers share the work: what one of them ended, none of them takes."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest

from shared_apps.core.context import TenantIdentity
from tests.installation import PASSWORD
from tests.people import make_person
from tests.server import Server, serving


@pytest.fixture(scope="module")
def servers(installation: object) -> Iterator[tuple[Server, Server]]:
    with ExitStack() as running:
        yield running.enter_context(serving()), running.enter_context(serving())


def send(
    server: Server, tenant: TenantIdentity, method: str, path: str,
    body: dict[str, str] | None = None, *, token: str = "",
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    headers = {"Host": server.host(tenant), "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, f"/api/v1/auth/{path}", json.dumps(body or {}), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or b"{}")
    finally:
        connection.close()


def status_of(server: Server, tenant: TenantIdentity, token: str) -> int:
    return send(server, tenant, "GET", "user/", token=token)[0]


@pytest.mark.parametrize("ended_at", [0, 1])
def test_10_a_token_that_another_server_ended(
    acme: TenantIdentity, globex: TenantIdentity, servers: tuple[Server, Server], ended_at: int
) -> None:
    """Each has answered for the token just before, and would know it still if it remembered anything."""
    ends, other = servers[ended_at], servers[1 - ended_at]
    tokens = {}
    for tenant in (acme, globex):
        login = {"email": make_person(tenant).email, "password": PASSWORD}
        status, tokens[tenant] = send(ends, tenant, "POST", "login/", login)
        assert status == 200
    access, refresh = tokens[acme]["access"], {"refresh": tokens[acme]["refresh"]}
    warm = [status_of(server, acme, access) for server in servers]

    ended, _ = send(ends, acme, "POST", "logout/", refresh)
    after = [status_of(server, acme, access) for server in (other, ends)]
    refreshed = [send(server, acme, "POST", "refresh/", refresh) for server in (other, ends)]

    assert (warm, ended, after) == ([200, 200], 204, [401, 401])
    assert [(status, body["code"]) for status, body in refreshed] == [(401, "token_not_valid")] * 2
    # The other tenant's goes on at both.
    assert [status_of(server, globex, tokens[globex]["access"]) for server in servers] == [200, 200]
