"""Attacks on the way from a host name to a tenant, as bytes to the product's own server."""

import json
from collections.abc import Callable, Iterator

import pytest

from shared_apps.authn.models import Session
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api
from tests.installation import PASSWORD
from tests.people import Person, make_person
from tests.server import Server, serving

ApiFactory = Callable[..., Api]
LOGIN = "/api/v1/auth/login/"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    # One thread's worth of everything, so that requests follow one another on the same connection.
    with serving(environment={"DATABASE_POOL_SIZE": "1", "ANSWER_FLOOR_MS": "0"}) as running:
        yield running


@pytest.fixture
def victim(acme: TenantIdentity) -> Person:
    return make_person(acme)


def login(
    server: Server, person: Person, *headers: tuple[str, str], path: str = LOGIN
) -> tuple[int, bytes]:
    body = json.dumps({"username": person.email, "password": PASSWORD})
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json", "Connection: close"]
    answer = server.exchange("\r\n".join([*lines, "", body]).encode())
    head, _, content = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), content


def tenants_of_sessions() -> list[str]:
    with context.operator():
        return list(Session.objects.values_list("tenant__slug", flat=True))


@pytest.mark.parametrize(
    "header",
    [
        ("X-Tenant", "globex"),
        ("X-Tenant-ID", "{globex}"),
        ("X-Forwarded-Host", "globex.localhost"),
        ("Forwarded", "for=127.0.0.1;host=globex.localhost"),
        ("X-Original-URL", "http://globex.localhost/api/v1/auth/login/"),
        ("Origin", "http://globex.localhost"),
        ("Cookie", "tenant=globex"),
    ],
    ids=lambda header: header[0],
)
def test_18_no_header_and_no_parameter_chooses_a_tenant(
    server: Server, acme: TenantIdentity, globex: TenantIdentity, victim: Person,
    header: tuple[str, str],
) -> None:  # fmt: skip
    chosen = (header[0], header[1].format(globex=globex.id))
    path = f"{LOGIN}?tenant=globex&tenant_id={globex.id}&host=globex.localhost"

    status, body = login(server, victim, ("Host", "acme.localhost"), chosen, path=path)

    assert (status, json.loads(body)["tenant"]["slug"]) == (200, "acme")
    # Nor does it lead from globex to acme, where this person may sign in.
    there = (header[0], chosen[1].replace("globex", "acme").replace(str(globex.id), str(acme.id)))
    status, body = login(server, victim, ("Host", "globex.localhost"), there)
    assert (status, json.loads(body)["code"]) == (403, "no_membership")
    assert tenants_of_sessions() == ["acme"]


@pytest.mark.parametrize(
    ("hosts", "statuses"),
    [
        (["acme.localhost:8000"], {200}),
        (["acme.localhost."], {200}),
        (["ACME.LOCALHOST"], {200}),
        (["unknown.localhost"], {404}),
        (["127.0.0.1"], {404}),
        (["[::1]:8000"], {404}),
        (["acme.localhost.."], {404}),
        (["user@acme.localhost"], {400}),
        (["globex.localhost@acme.localhost"], {400}),
        (["acme.localhost", "globex.localhost"], {400}),
        (["globex.localhost", "acme.localhost"], {400}),
        (["acme.localhost, globex.localhost"], {400}),
        ([], {400}),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, list) else "",
)
def test_19_odd_hosts_at_the_sign_in(
    server: Server, globex: TenantIdentity, victim: Person, hosts: list[str], statuses: set[int]
) -> None:
    status, body = login(server, victim, *(("Host", host) for host in hosts))

    assert status in statuses
    assert tenants_of_sessions() == (["acme"] if status == 200 else [])
    assert b"globex" not in body


def test_21_what_a_failed_request_leaves_behind(
    server: Server, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    """Every request fails in another way, and the next one is the other tenant's on the same connection."""
    tokens = {tenant.slug: api(tenant, "admin").tokens["access"] for tenant in (acme, globex)}
    failures = [
        ("/api/v1/nowhere/", 404),
        ("/api/v1/vendors/%00/", 404),
        ("/api/v1/users/00000000-0000-0000-0000-000000000000/", 404),
        ("/api/v1/vendors/?page=nonsense", 400),
        ("/api/v1/auth/login/", 405),
    ]
    for path, expected in failures:
        for tenant, other in ((acme, globex), (globex, acme)):
            authorization = ("Authorization", f"Bearer {tokens[tenant.slug]}")
            failed = server.get(path, [("Host", f"{tenant.slug}.localhost"), authorization])
            assert failed[0] == expected, path
            good = ("Authorization", f"Bearer {tokens[other.slug]}")
            status, body = server.get("/api/v1/users/", [("Host", f"{other.slug}.localhost"), good])
            assert status == 200
            emails = {row["email"] for row in json.loads(body)["results"]}
            assert emails == {
                f"{role}@{other.slug}.example" for role in ("admin", "editor", "viewer")
            }
    # And nobody's context is the public schema's.
    assert server.get("/api/v1/users/", [("Host", "localhost")])[0] == 404
