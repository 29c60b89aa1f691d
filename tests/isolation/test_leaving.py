"""What is open or queued when a tenant leaves: sockets end at once, tasks are refused."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.core.updates import broadcast_update
from shared_apps.onboarding import services
from shared_apps.tenants import services as tenants
from shared_apps.tenants.errors import TaskRefusedError
from tenant_apps.invoicing.models import Vendor
from tests import probes
from tests.client import Api
from tests.installation import PASSWORD, Installation
from tests.made_tenants import removed_afterwards
from tests.server import Server, serving
from tests.workers import Worker

PATIENCE = 20.0


@pytest.fixture(scope="module")
def unhurried(installation: Installation) -> Iterator[Server]:
    """It looks at its sockets once in a minute, unless it is told of a change."""
    with serving(socket_check_seconds=60) as running:
        yield running


@pytest.fixture
def initech(system: Installation) -> Iterator[TenantIdentity]:
    request = services.TenantRequest(
        slug="initech", name="Initech", domains=("initech.localhost", "tps.localhost"),
        admin_email="admin@initech.example", admin_password=PASSWORD,
    )  # fmt: skip
    with removed_afterwards(system):
        with context.operator():
            tenant = services.create_tenant(request=request, at=datetime.now(UTC)).identity
        yield tenant


def suspend() -> None:
    services.suspend_tenant(slug="initech", reason="Unpaid.", at=datetime.now(UTC))


def archive() -> None:
    services.archive_tenant(slug="initech", reason="Left.", at=datetime.now(UTC))


def delete() -> None:
    deletion = services.Deletion(
        slug="initech", reason="Left.", grace=timedelta(days=30), without_backup=True
    )
    services.schedule_deletion(deletion=deletion, at=datetime.now(UTC))


def rename() -> None:
    services.rename_tenant(slug="initech", to="initrode")


def take_the_host() -> None:
    with context.operator():
        tenant = services.tenants_read.get_tenant(slug="initech")
        tenants.set_domains(tenant_id=tenant.id, domains=["tps.localhost"])


def opened(
    stack: ExitStack, server: Server, tenant: TenantIdentity, client: Api
) -> ClientConnection:
    socket = stack.enter_context(server.open_socket(tenant, token=client.tokens["access"]))
    # It has been accepted, and is watched, once the first update arrives.
    with context.tenant(tenant):
        while True:
            broadcast_update({"hello": tenant.slug})
            try:
                socket.recv(timeout=0.2)
                return socket
            except TimeoutError:
                continue


def close_code(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        all(iter(lambda: socket.recv(timeout=PATIENCE), None))
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


@pytest.mark.parametrize("leave", [suspend, archive, delete, rename, take_the_host])
def test_open_sockets_end_without_waiting_for_the_next_look(
    unhurried: Server,
    api: Callable[..., Api],
    initech: TenantIdentity,
    acme: TenantIdentity,
    leave: Callable[[], None],
) -> None:
    with ExitStack() as stack:
        own = [opened(stack, unhurried, initech, api(initech, "admin")) for _ in range(2)]
        other = opened(stack, unhurried, acme, api(acme, "viewer"))

        with context.operator():
            leave()

        assert [close_code(socket) for socket in own] == [4003, 4003]
        with context.tenant(acme):
            broadcast_update({"still": "here"})
        message = other.recv(timeout=PATIENCE)
        while "hello" in str(message):
            message = other.recv(timeout=PATIENCE)
        assert "still" in str(message)


def test_at_another_host_of_the_tenant_a_socket_stays(
    unhurried: Server, api: Callable[..., Api], initech: TenantIdentity
) -> None:
    elsewhere = TenantIdentity(id=initech.id, slug="tps", schema=initech.schema, role=initech.role)
    with ExitStack() as stack:
        client = api(initech, "admin")
        leaving = opened(stack, unhurried, initech, client)
        staying = opened(stack, unhurried, elsewhere, client)

        take_the_host()

        assert close_code(leaving) == 4003
        with context.tenant(initech):
            broadcast_update({"still": "here"})
        while "still" not in str(staying.recv(timeout=PATIENCE)):
            pass


@pytest.mark.parametrize(
    ("leave", "state"), [(suspend, "SUSPENDED"), (archive, "ARCHIVED"), (delete, "ARCHIVED")]
)
def test_what_was_queued_before_is_refused_visibly(
    workers: dict[str, Worker],
    initech: TenantIdentity,
    leave: Callable[[], None],
    state: str,
) -> None:
    worker = workers["prefork"]
    with context.tenant(initech):
        result = probes.add_vendor.apply_async(
            kwargs={"name": "late", "person": str(uuid4())}, queue=worker.queue, countdown=2
        )

    with context.operator():
        leave()

    with pytest.raises(TaskRefusedError, match=f"tenant initech is {state}"):
        result.get(timeout=PATIENCE)
    assert result.state == "FAILURE"
    with context.tenant(initech):
        assert not Vendor.objects.exists()


def test_what_was_queued_before_a_renaming_is_done(
    workers: dict[str, Worker], initech: TenantIdentity
) -> None:
    worker = workers["prefork"]
    with context.tenant(initech):
        result = probes.describe.apply_async(queue=worker.queue, countdown=2)

    with context.operator():
        rename()

    described = result.get(timeout=PATIENCE)
    assert (described["scope"], described["schema"]) == ("initrode", initech.schema)
