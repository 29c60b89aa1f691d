"""Responses that go on after the middleware has left, and requests that run at the same time."""

import asyncio
from itertools import zip_longest
from uuid import UUID

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.db import connections
from django.test import Client, override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.isolation.asgi import fetch
from tests.isolation.modes import MODES, Mode

pytestmark = pytest.mark.usefixtures("urls")
Names = dict[UUID, str]


@pytest.fixture
def urls() -> "object":
    with override_settings(ROOT_URLCONF="tests.isolation.urls"):
        yield


def test_a_streaming_response_keeps_its_tenant_to_the_end(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names
) -> None:
    tenants = (acme, globex)
    responses = [
        Client().get("/stream/", headers={"host": f"{tenant.slug}.localhost"}) for tenant in tenants
    ]
    assert context.current() is None
    parts: dict[UUID, list[str]] = {tenant.id: [] for tenant in tenants}
    # Step by step in turn, on one thread.
    for pair in zip_longest(*(response.streaming_content for response in responses)):
        for tenant, part in zip(tenants, pair, strict=True):
            parts[tenant.id].append(part.decode().strip())
    for response in responses:
        response.close()
    assert parts == {tenant.id: [vendors[tenant.id]] * 3 for tenant in tenants}


# ASGI runs each request in a thread of its own, whose connection only a pool takes back.
@pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode.psycopg_pool], ids=lambda mode: mode.name, indirect=True
)
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume")
@pytest.mark.parametrize("path", ["/async-read/", "/stream/", "/async-stream/"])
def test_ten_requests_at_once_under_asgi(
    mode: Mode, acme: TenantIdentity, globex: TenantIdentity, vendors: Names, path: str
) -> None:
    application = ASGIHandler()
    tenants = [acme, globex] * 5

    async def all_at_once() -> list[tuple[int, bytes]]:
        return await asyncio.gather(*(fetch(application, tenant, path) for tenant in tenants))

    for tenant, (status, body) in zip(tenants, asyncio.run(all_at_once()), strict=True):
        other = globex if tenant is acme else acme
        assert status == 200
        assert vendors[tenant.id].encode() in body
        assert vendors[other.id].encode() not in body
    connections.close_all()
