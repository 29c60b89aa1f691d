"""Host headers of every odd shape, as bytes to the product's own server.

What matters is not the status alone: whatever is answered is acme's, or nobody's, and never globex's.
"""

import json
import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants import services
from shared_apps.tenants.choices import TenantState
from tenant_apps.invoicing.models import Vendor
from tests.client import Api
from tests.installation import Installation
from tests.server import Server

PATH = "/api/v1/auth/user/"
_REFUSED = (400, 404, 431)


@pytest.fixture
def token(acme: TenantIdentity, api: Callable[..., Api]) -> str:
    """acme's; so 200 says that acme was asked, 401 that somebody else was."""
    access: str = api(acme, "viewer").tokens["access"]
    return access


def ask(server: Server, token: str, *headers: tuple[str, str], path: str = PATH) -> int:
    status, _ = server.get(path, [*headers, ("Authorization", f"Bearer {token}")])
    return status


HOSTS = [
    ("acme.localhost", 200),
    ("acme.localhost:8000", 200),
    ("ACME.LocalHost", 200),
    ("acme.localhost.", 200),
    ("  acme.localhost  ", 200),
    ("globex.localhost", 401),
    ("localhost", 401),
    # Addresses and names that nobody has.
    ("127.0.0.1", 404),
    ("[::1]", 404),
    ("[::1]:8000", 404),
    ("2130706433", 404),
    ("unknown.localhost", 404),
    ("acme", 404),
    ("acme.localhost.globex.localhost", 404),
    ("xn--acme-xyz.localhost", 404),
    ("-acme.localhost", 404),
    # What is no host.
    ("", 400),
    (" ", 400),
    ("acme.localhost..", 404),
    ("acme_.localhost", 400),
    ("acme..localhost", 404),
    ("acme.localhost:port", 400),
    ("acme.localhost:", 400),
    ("acme.localhost:80:80", 400),
    ("acme.localhost/", 400),
    ("acme.localhost,globex.localhost", 400),
    ("acme.localhost globex.localhost", 400),
    ("user@acme.localhost", 400),
    ("globex.localhost@acme.localhost", 400),
    ("acme.localhost#globex.localhost", 400),
    ("acme.localhost\\globex.localhost", 400),
    ("%61cme.localhost", 400),
    ("acme.localhost%00", 400),
    ("acme\0.localhost", 400),
    ("\u0430cme.localhost", 400),  # a Cyrillic letter
    ("acme\uff0elocalhost", 400),
    ("../acme.localhost", 400),
    ("information_schema", 400),
    ("%s.localhost", 400),
    ("a" * 254, 404),
    ("a." * 200 + "localhost", 404),
    ("acme.localhost" + "a" * 20_000, 400),
]


def test_what_a_host_header_leads_to(server: Server, acme: TenantIdentity, token: str) -> None:
    wrong = {}
    for host, status in HOSTS:
        found = ask(server, token, ("Host", host))
        # The server itself refuses some before the product sees them; both refusals are right.
        if found != status and not (status in _REFUSED and found in _REFUSED):
            wrong[host] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Host", "acme.localhost"), ("Host", "globex.localhost")],
        [("Host", "acme.localhost"), ("Host", "acme.localhost")],
        [("Host", "acme.localhost"), ("HOST", "globex.localhost")],
        [("Host ", "acme.localhost")],
        [("Host", "acme.localhost\r\n globex.localhost")],
    ],
    ids=["none", "two", "the same twice", "two in other case", "space in the name", "folded"],
)
def test_none_or_two_are_a_bad_request(
    server: Server, acme: TenantIdentity, token: str, headers: list[tuple[str, str]]
) -> None:
    assert ask(server, token, *headers) == 400


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-Host", "globex.localhost"),
        ("Forwarded", "host=globex.localhost"),
        ("X-Host", "globex.localhost"),
        ("X-Original-Host", "globex.localhost"),
        ("X-Tenant", "globex"),
        ("X-Forwarded-Server", "globex.localhost"),
        ("Host_", "globex.localhost"),
        ("X_Forwarded_Host", "globex.localhost"),
    ],
    ids=lambda header: header[0],
)
def test_no_other_header_chooses_a_tenant(
    server: Server, acme: TenantIdentity, token: str, header: tuple[str, str]
) -> None:
    assert ask(server, token, ("Host", "acme.localhost"), header) in (200, 400)
    # Nor may it make an unknown host known.
    name, value = header[0], header[1].replace("globex", "acme")
    assert ask(server, token, ("Host", "unknown.localhost"), (name, value)) in (400, 404)


@pytest.mark.parametrize(
    "target",
    [
        f"http://globex.localhost{PATH}",
        f"http://user@globex.localhost{PATH}",
        f"//globex.localhost{PATH}",
        f"http://globex.localhost:80{PATH}",
    ],
)
def test_a_target_with_a_host_of_its_own_chooses_none(
    server: Server, acme: TenantIdentity, token: str, target: str
) -> None:
    """RFC 9112 lets the target's host count, ours is the header's; never globex with acme's token."""
    status, body = server.get(
        target, [("Host", "acme.localhost"), ("Authorization", f"Bearer {token}")]
    )
    assert status in (200, 400, 404), status
    if status == 200:
        assert json.loads(body)["email"] == "viewer@acme.example"


def test_the_old_protocol_needs_a_host_too(
    server: Server, acme: TenantIdentity, token: str
) -> None:
    request = f"GET {PATH} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n"
    assert b" 400 " in server.exchange(request.encode()).split(b"\r\n")[0]


def test_two_requests_of_one_connection_are_two_tenants(
    server: Server, acme: TenantIdentity, globex: TenantIdentity, token: str
) -> None:
    """Kept alive and sent ahead, as a proxy does that serves everybody over one connection."""
    requests = [
        f"GET {PATH} HTTP/1.1\r\nHost: {tenant.slug}.localhost\r\nAuthorization: Bearer {token}\r\n"
        for tenant in (acme, globex, acme, globex)
    ]
    stream = "\r\n".join(requests) + "Connection: close\r\n\r\n"
    answers = server.exchange(stream.encode())
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]
    assert statuses == [200, 401, 200, 401]


def test_sockets_go_by_the_same_rule(server: Server, acme: TenantIdentity, token: str) -> None:
    def handshake(*headers: tuple[str, str]) -> int:
        upgrade = [
            ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), ("Authorization", f"Bearer {token}"),
        ]  # fmt: skip
        lines = ["GET /ws/updates/ HTTP/1.1", *(f"{n}: {v}" for n, v in [*headers, *upgrade])]
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as caller:
            caller.sendall("\r\n".join([*lines, "", ""]).encode())
            return int(caller.recv(64).split(b" ")[1])

    assert handshake(("Host", "ACME.localhost.:8000")) == 101
    for headers in (
        [("Host", "unknown.localhost")],
        [("Host", "localhost")],
        [("Host", "acme.localhost"), ("Host", "globex.localhost")],
        [("Host", "unknown.localhost"), ("X-Forwarded-Host", "acme.localhost")],
        [("Host", "user@acme.localhost")],
        [("Host", "a_b.localhost")],
        [],
    ):
        assert handshake(*headers) in (400, 403), headers


def test_a_request_that_runs_while_its_tenant_is_suspended_stays_in_it(
    server: Server, system: Installation, acme: TenantIdentity, api: Callable[..., Api]
) -> None:
    """It waits for a lock in the database while its tenant is suspended and the host's route changes."""
    body = json.dumps({"name": "Paper AG"})
    request = (
        "POST /api/v1/vendors/ HTTP/1.1\r\nHost: acme.localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {api(acme, 'editor').tokens['access']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with system.owner() as lock, ThreadPoolExecutor(1) as pool:
        lock.execute(f"LOCK TABLE {acme.schema}.invoicing_vendor IN EXCLUSIVE MODE")
        running = pool.submit(server.exchange, request.encode(), timeout=30)
        _await_waiting_statement(lock)
        services.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=datetime.now(UTC))
        try:
            assert not running.done()
            lock.commit()
            assert running.result().startswith(b"HTTP/1.1 201 ")
            again = server.exchange(request.encode())
            assert again.startswith(b"HTTP/1.1 403 ")
            assert b"tenants.suspended" in again
        finally:
            services.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=datetime.now(UTC))
    with context.tenant(acme):
        assert [vendor.name for vendor in Vendor.objects.all()] == ["Paper AG"]


def _await_waiting_statement(connection: psycopg.Connection[Any]) -> None:
    for _ in range(200):
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()
        if row != (0,):
            return
        time.sleep(0.05)
    raise AssertionError("no statement waits")
