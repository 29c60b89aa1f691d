"""Attack 48: what the time of an answer tells."""

import json
import select
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from shared_apps.authn import limits
from shared_apps.core import answer_floor
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import make_person
from tests.server import serving
from tests.waiting import wait_until

ApiFactory = Callable[..., Api]


def test_48_refusals_are_held_back_and_nothing_else_is(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    person, stranger = make_person(acme), make_person(globex)

    def is_held(username: Any, password: str) -> tuple[int, bool]:
        response = api(acme).post("auth/login/", {"username": username, "password": password})
        return response.status_code, answer_floor.seconds_left(response, now=0.0) > 0

    assert is_held(person.email, "wrong password") == (401, True)
    assert is_held("nobody@acme.example", PASSWORD) == (401, True)
    assert is_held(stranger.email, "wrong password") == (401, True)
    assert is_held("\x00", "") == (401, True)
    assert is_held(person.email, PASSWORD) == (200, False)
    assert is_held(stranger.email, PASSWORD) == (403, False)
    assert is_held(7, PASSWORD) == (400, False)


def test_48_what_is_held_back_is_in_nobodys_way(acme: TenantIdentity) -> None:
    """One place for the tenant, one connection for the process, and refusals that are kept a minute."""
    one_of_each = {
        "ANSWER_FLOOR_MS": "60000", "TENANT_CONNECTIONS": "1", "DATABASE_POOL_SIZE": "1",
    }  # fmt: skip
    with serving(environment=one_of_each) as server, ExitStack() as sockets:
        refusals = []
        for host in ("acme.localhost", "globex.localhost", "localhost"):
            body = json.dumps({"username": f"nobody@{host}", "password": "wrong password"})
            refusal = sockets.enter_context(
                socket.create_connection(("127.0.0.1", server.port), timeout=30)
            )
            refusal.sendall(
                f"POST /api/v1/auth/login/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
                f"Content-Type: application/json\r\n\r\n{body}".encode()
            )
            refusals.append(refusal)
        wait_until(
            lambda: len(limits.windows.in_redis().client.keys("*:pair:*")) == 3,
            "all are being checked",
        )
        path = "/api/v1/auth/user/"
        for host in ("acme.localhost", "globex.localhost", "localhost"):
            assert server.get(path, [("Host", host)])[0] == 401
        # Whose host it is, only the database knows.
        assert server.get(path, [("Host", "unknown.localhost")])[0] == 404

        answered, _, _ = select.select(refusals, [], [], 0)

    assert answered == []
