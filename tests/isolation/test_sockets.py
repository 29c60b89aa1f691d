"""Sockets against the product's own server: whose they are, who may open them, when they end."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from socket import SHUT_RDWR
from threading import Thread
from typing import Any

import pytest
import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from shared_apps.accounts import custom_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Permission
from shared_apps.authn import tokens
from shared_apps.authn.choices import SocketClose
from shared_apps.authn.consumers import UpdatesConsumer
from shared_apps.authn.models import Session
from shared_apps.core import context, redis_keys
from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import TenantContextRequired
from shared_apps.core.updates import abroadcast_update, broadcast_update
from shared_apps.tenants import services as tenants
from shared_apps.tenants.channel_layer import TenantChannelLayer
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant
from tests.client import Api
from tests.concurrency import at_once
from tests.people import make_person
from tests.rate_limits import let_pass
from tests.server import Server, serving

SignedIn = Callable[..., Api]


def token_of(client: Api) -> str:
    access: str = client.tokens["access"]
    return access


@contextmanager
def open_sockets(
    server: Server, api: SignedIn, tenant: TenantIdentity, count: int = 1
) -> Iterator[list[ClientConnection]]:
    token = token_of(api(tenant, "viewer"))
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(server.open_socket(tenant, token=token)) for _ in range(count)
        ]
        await_members(tenant, count)
        yield sockets
    await_members(tenant, 0)


def members(tenant: TenantIdentity) -> int:
    group = f"{redis_keys.installation('sockets')}::group:tenant-{tenant.id.hex}.dashboard_updates"
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        return int(client.zcard(group))


def await_members(tenant: TenantIdentity, count: int) -> None:
    deadline = time.monotonic() + 10
    while members(tenant) != count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert members(tenant) == count


def received(socket: ClientConnection, *, quiet: float = 0.5) -> list[Any]:
    """What has come, and comes until nothing more does."""
    messages = []
    try:
        while True:
            messages.append(json.loads(socket.recv(timeout=quiet)))
    except TimeoutError:
        return messages


def close_code(socket: ClientConnection, *, within: float = 5) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        socket.recv(timeout=within)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def refusal(server: Server, tenant: TenantIdentity, **options: Any) -> int:
    with pytest.raises(InvalidStatus) as refused:
        server.open_socket(tenant, **options)
    return refused.value.response.status_code


# -- whose ------------------------------------------------------------------------------------------


def test_no_update_reaches_another_tenant(
    server: Server, api: SignedIn, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Two tenants, five sockets each, a hundred messages each, at once and interleaved."""
    with (
        open_sockets(server, api, acme, 5) as acmes,
        open_sockets(server, api, globex, 5) as globexes,
    ):

        def send(tenant: TenantIdentity) -> None:
            with context.tenant(tenant):
                for number in range(100):
                    broadcast_update({"for": tenant.slug, "number": number})

        assert at_once([lambda: send(acme), lambda: send(globex)]) == [None, None]
        for own, sockets in (("acme", acmes), ("globex", globexes)):
            expected = [{"for": own, "number": number} for number in range(100)]
            for socket in sockets:
                found = [json.loads(socket.recv(timeout=5))["data"] for _ in expected]
                assert found == expected
        for socket in [*acmes, *globexes]:
            assert received(socket, quiet=0.05) == []


def test_groups_need_a_context(acme: TenantIdentity) -> None:
    layer = get_channel_layer()
    with context.nobody():
        with pytest.raises(TenantContextRequired):
            broadcast_update({})
        for use in (
            lambda: async_to_sync(layer.group_send)("group", {}),
            lambda: async_to_sync(layer.group_add)("group", "channel"),
            lambda: async_to_sync(layer.group_discard)("group", "channel"),
        ):
            with pytest.raises(TenantContextRequired):
                use()


def test_a_socket_that_closes_takes_no_message_of_another_along() -> None:
    def layer() -> TenantChannelLayer:
        return TenantChannelLayer(hosts=[settings.REDIS_URL])

    async def exchange(receiver: TenantChannelLayer) -> list[int]:
        leaving = [await receiver.new_channel() for _ in range(5)]
        staying = await receiver.new_channel()
        waiting = [asyncio.create_task(receiver.receive(channel)) for channel in leaving]
        await asyncio.sleep(0.3)  # the first of them waits in Redis for all sockets of the process
        found = []
        for number, task in enumerate(waiting):
            message = asyncio.create_task(receiver.receive(staying))
            await asyncio.sleep(0.2)
            # While this loop stands still, so that Redis has answered and nobody has read it.
            sender = Thread(target=asyncio.run, args=[layer().send(staying, {"number": number})])
            sender.start()
            sender.join()
            task.cancel()
            found.append((await asyncio.wait_for(message, 5))["number"])
        await receiver.close_pools()
        return found

    assert asyncio.run(exchange(layer())) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["a b", "a:b", "a/../b", "ключ", "x" * 61])
def test_an_odd_name_of_a_group_is_refused(acme: TenantIdentity, name: str) -> None:
    with context.tenant(acme), pytest.raises((TypeError, AssertionError)):
        async_to_sync(get_channel_layer().group_send)(name, {"type": "send_update"})


def test_an_update_goes_out_after_the_commit_and_not_at_all_after_a_rollback(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    with open_sockets(server, api, acme) as [socket]:
        with context.operator(), transaction.atomic():
            with context.tenant(acme):
                broadcast_update({"committed": False})
            transaction.set_rollback(True)
        with context.operator(), transaction.atomic():
            with context.tenant(acme):
                broadcast_update({"committed": True, "id": uuid.UUID(int=7)})
            assert received(socket) == []
        # Sent in the context of the call, which had been left when the transaction ended.
        data = {"committed": True, "id": str(uuid.UUID(int=7))}
        assert received(socket) == [{"type": "update", "data": data}]


def test_asynchronous_code_can_send_too(
    server: Server, api: SignedIn, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with (
        open_sockets(server, api, acme) as [own],
        open_sockets(server, api, globex) as [foreign],
    ):
        with context.tenant(acme):
            async_to_sync(abroadcast_update)({"number": 1})
        assert received(own) == [{"type": "update", "data": {"number": 1}}]
        assert received(foreign) == []


def test_an_issued_invoice_is_told_to_its_own_tenant(
    server: Server, api: SignedIn, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with (
        open_sockets(server, api, acme) as [own],
        open_sockets(server, api, globex) as [foreign],
    ):
        editor = api(acme, "editor")
        vendor = editor.post("vendors/", {"name": "Paper AG"}).json()["id"]
        item = {"description": "Paper", "quantity": "1", "unit_price": "10", "tax_rate": "0.19"}
        draft = editor.post(
            "invoices/", {"vendor": vendor, "currency": "EUR", "items": [item]}
        ).json()["id"]
        assert editor.post(f"invoices/{draft}/issue/").status_code == 200
        issued = {"event": "invoicing.invoice_issued", "id": draft, "number": 1}
        assert received(own) == [{"type": "update", "data": issued}]
        assert received(foreign) == []


# -- who --------------------------------------------------------------------------------------------


def test_a_token_in_the_header_is_as_good_as_a_subprotocol(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    token = token_of(api(acme, "viewer"))
    with server.open_socket(acme, token=token) as socket:
        assert socket.subprotocol == "freehold.v1"
        await_members(acme, 1)
    header = {"Authorization": f"Bearer {token}"}
    with server.open_socket(acme, headers=header, path="/ws/updates") as socket:
        socket.send("what a client says is of no interest")
        socket.send(b"\x00\xff")
        await_members(acme, 1)
        with context.tenant(acme):
            broadcast_update({"number": 1})
        assert received(socket) == [{"type": "update", "data": {"number": 1}}]


@pytest.mark.parametrize("kind", ["none", "rubbish", "refresh", "of globex", "of nobody any more"])
def test_who_is_not_signed_in_here_is_told_so_and_closed(
    server: Server, api: SignedIn, acme: TenantIdentity, globex: TenantIdentity, kind: str
) -> None:
    client = api(acme, "viewer")
    token = {
        "none": None,
        "rubbish": "rubbish",
        "refresh": client.tokens["refresh"],
        "of globex": token_of(api(globex, "admin")),
        "of nobody any more": token_of(client),
    }[kind]
    if kind == "of nobody any more":
        assert client.post("auth/logout/", {"refresh": client.tokens["refresh"]}).status_code == 204
    with server.open_socket(acme, token=token) as socket:
        assert close_code(socket) == 4001
    assert members(acme) == members(globex) == 0


def test_a_host_that_is_not_served_opens_no_socket(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    token = token_of(api(acme, "viewer"))
    unknown = TenantIdentity(id=acme.id, slug="unknown", schema=acme.schema, role=acme.role)
    assert refusal(server, unknown, token=token) == 403
    assert refusal(server, acme, token=token, path="/ws/unknown/") == 403
    tenants.change_state(tenant_id=acme.id, to=TenantState.SUSPENDED, at=datetime.now(UTC))
    try:
        time.sleep(0.2)  # the server is told of the change
        assert refusal(server, acme, token=token) == 403
    finally:
        tenants.change_state(tenant_id=acme.id, to=TenantState.ACTIVE, at=datetime.now(UTC))


def test_a_page_of_another_host_opens_no_socket(
    server: Server, api: SignedIn, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    token = token_of(api(acme, "viewer"))
    own, foreign = server.host(acme), server.host(globex)
    for origin in (f"http://{foreign}", "https://evil.example", "null", f"file://{own}", "http://"):
        assert refusal(server, acme, token=token, origin=origin) == 403
    for origin in (f"http://{own}", f"https://{own.upper()}"):
        with server.open_socket(acme, token=token, origin=origin):
            await_members(acme, 1)
        await_members(acme, 0)


# -- until when -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [TenantState.SUSPENDED, TenantState.DELETED])
def test_sockets_end_with_their_tenant_and_only_they(
    server: Server,
    api: SignedIn,
    acme: TenantIdentity,
    globex: TenantIdentity,
    state: TenantState,
) -> None:
    with (
        open_sockets(server, api, globex) as [other],
        open_sockets(server, api, acme, 3) as sockets,
    ):
        with context.operator():
            Tenant.objects.filter(id=acme.id).update(state=state)
        try:
            assert [close_code(socket) for socket in sockets] == [4003] * 3
            await_members(acme, 0)
        finally:
            with context.operator():
                Tenant.objects.filter(id=acme.id).update(state=TenantState.ACTIVE)
        with context.tenant(globex):
            broadcast_update({"still": "here"})
        assert received(other) == [{"type": "update", "data": {"still": "here"}}]


def test_a_socket_ends_with_its_sign_in(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    ending, staying = api(acme, "viewer"), api(acme, "viewer")
    with (
        server.open_socket(acme, token=token_of(ending)) as ended,
        server.open_socket(acme, token=token_of(staying)) as open_,
    ):
        await_members(acme, 2)
        ending.post("auth/logout/", {"refresh": ending.tokens["refresh"]})
        assert close_code(ended) == 4003
        await_members(acme, 1)
        with context.tenant(acme):
            broadcast_update({"number": 1})
        assert received(open_) == [{"type": "update", "data": {"number": 1}}]


def test_a_socket_ends_with_the_erasure_of_its_person(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    person = make_person(acme, "viewer")
    client = Api(acme)
    client.sign_in(person.email, person.password)
    with (
        server.open_socket(acme, token=token_of(client)) as ended,
        server.open_socket(acme, token=token_of(api(acme, "viewer"))) as staying,
    ):
        await_members(acme, 2)
        with context.operator():
            call_command(
                "erase-person", person.email, "--yes", stdout=StringIO(), stderr=StringIO()
            )
        assert close_code(ended) == 4003
        await_members(acme, 1)
        with context.tenant(acme):
            broadcast_update({"number": 1})
        assert received(staying) == [{"type": "update", "data": {"number": 1}}]


def test_a_socket_ends_with_the_role(server: Server, acme: TenantIdentity) -> None:
    person = make_person(acme, "viewer")
    client = Api(acme)
    client.sign_in(person.email, person.password)
    with server.open_socket(acme, token=token_of(client)) as socket:
        await_members(acme, 1)
        accounts.revoke_role(tenant_id=acme.id, user_id=person.id, by=None)
        assert close_code(socket) == 4003


def test_a_socket_ends_when_a_role_of_the_tenants_own_no_longer_reads(
    server: Server, acme: TenantIdentity
) -> None:
    at = datetime.now(UTC)
    role = custom_roles.create_role(
        tenant_id=acme.id, name="clerk", permissions=[Permission.READ], by=None, at=at
    )
    ending, staying = Api(acme), Api(acme)
    for client, given in ((ending, "clerk"), (staying, "viewer")):
        person = make_person(acme, "viewer")
        accounts.change_role(tenant_id=acme.id, user_id=person.id, role=given, by=None)
        client.sign_in(person.email, person.password)
    with (
        server.open_socket(acme, token=token_of(ending)) as ended,
        server.open_socket(acme, token=token_of(staying)) as open_,
    ):
        await_members(acme, 2)
        custom_roles.change_custom_role(
            tenant_id=acme.id, role_id=role.id, name=None, permissions=[Permission.WRITE], by=None
        )
        assert close_code(ended) == 4003
        await_members(acme, 1)
        assert received(open_) == []


def test_a_socket_ends_with_its_token(
    server: Server, api: SignedIn, acme: TenantIdentity, settings: Any
) -> None:
    client = api(acme, "viewer")
    claims = tokens.AccessToken.read(token_of(client), tenant_id=acme.id, at=datetime.now(UTC))
    with context.operator():
        session = Session.objects.get(id=claims.session_id)
    settings.ACCESS_TOKEN_LIFETIME = timedelta(seconds=2)
    short = str(tokens.AccessToken.issue(session=session, at=datetime.now(UTC)))
    with server.open_socket(acme, token=short) as socket:
        await_members(acme, 1)
        assert close_code(socket) == 4001


def test_a_client_that_ignores_the_close_gets_nothing_more(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    """The server waits seconds for the answer to its close; nothing may pass in them."""
    client = api(acme, "viewer")
    token = token_of(client)
    with server.raw_socket(acme, token=token) as connection:
        await_members(acme, 1)
        client.post("auth/logout/", {"refresh": client.tokens["refresh"]})
        frame = connection.recv(1024)
        assert frame[:2] == b"\x88\x02", frame  # a close of two bytes
        with context.tenant(acme):
            broadcast_update({"secret": 1})
        rest = b""
        while portion := connection.recv(1024):
            rest += portion
        assert rest == b""
    await_members(acme, 0)


def test_a_handler_that_is_at_work_when_its_socket_is_cut_off_sends_nothing_more() -> None:
    sent: list[str] = []

    async def note(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    async def work() -> None:
        consumer = UpdatesConsumer()
        consumer.base_send = note
        await consumer.send(text_data="before")
        await consumer.cut_off(SocketClose.NOT_ALLOWED)
        await consumer.send(text_data="after")

    async_to_sync(work)()
    assert sent == ["websocket.send", "websocket.close"]


def test_a_hundred_sockets_that_come_and_go_leave_no_member(
    server: Server, api: SignedIn, acme: TenantIdentity
) -> None:
    token = token_of(api(acme, "viewer"))
    for number in range(100):
        with server.open_socket(acme, token=token) as socket:
            if number % 2:
                socket.socket.shutdown(SHUT_RDWR)  # without a word
    await_members(acme, 0)


def test_opening_a_socket_is_counted_as_a_request(
    api: SignedIn, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    token, other = (token_of(api(tenant, "viewer")) for tenant in (acme, globex))
    let_pass(61)
    limits = {"RATE_LIMIT_PERSON": "2", "RATE_LIMIT_ADDRESS": "1"}
    with serving(environment=limits) as limited:
        for tenant, shown in ((acme, token), (acme, token), (globex, other), (acme, other)):
            with limited.open_socket(tenant, token=shown):
                pass
        # The person, and the address that showed another tenant's token.
        assert refusal(limited, acme, token=token) == 403
        assert refusal(limited, acme) == 403
        await_members(acme, 0)
        await_members(globex, 0)
