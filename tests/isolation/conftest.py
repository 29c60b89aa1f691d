"""Models are imported inside: this file is read before Django is set up."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from shared_apps.core import context
from tests.isolation.modes import MODES, Mode, Poolers, connected

if TYPE_CHECKING:
    from shared_apps.core.context import TenantIdentity
    from tests.installation import Installation
    from tests.server import Server


@pytest.fixture(scope="session")
def server(installation: "Installation") -> "Iterator[Server]":
    from tests.server import serving

    with serving() as running:
        yield running


@pytest.fixture
def in_process_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under ASGI each request has a thread of its own; its connection must end with it."""
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 0)


@pytest.fixture(scope="session")
def poolers() -> Iterator[Poolers]:
    running = Poolers()
    yield running
    running.stop()


@pytest.fixture(params=MODES, ids=lambda mode: mode.name)
def mode(
    request: pytest.FixtureRequest,
    acme: "TenantIdentity",
    globex: "TenantIdentity",
    poolers: Poolers,
) -> Iterator[Mode]:
    """The test runs once over each way to PostgreSQL."""
    with connected(request.param, poolers):
        yield request.param


@pytest.fixture
def vendors(acme: "TenantIdentity", globex: "TenantIdentity") -> dict[UUID, str]:
    """One vendor in each tenant, named after it; by tenant."""
    from tenant_apps.invoicing.models import Vendor

    names = {acme.id: "a vendor of acme", globex.id: "a vendor of globex"}
    for tenant in (acme, globex):
        with context.tenant(tenant):
            Vendor.objects.create(name=names[tenant.id], created_by=UUID(int=0))
    return names
