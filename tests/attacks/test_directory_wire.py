"""Attacks between us and a tenant's directory, and by it, by their numbers in the threat list."""

import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from django.test import override_settings

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.core.context import TenantIdentity
from tests.attacks.directories import (
    assert_nothing_changed,
    assert_unavailable,
    backend_of,
    by_passwords_again,
    count_people,
    sign_in,
    use,
)
from tests.client import Api
from tests.directories import listeners
from tests.directories.listeners import BIND, SEARCH

if TYPE_CHECKING:
    from tests.directories.slapd import Slapd

ApiFactory = Callable[..., Api]

REFUSED = 2  # protocolError


@pytest.fixture(autouse=True)
def _by_passwords_again(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    yield
    by_passwords_again(acme, globex)


def test_27_a_referral_entry(
    acme: TenantIdentity,
    globex: TenantIdentity,
    api: ApiFactory,
    slapd: "Slapd",
    other_slapd: "Slapd",
) -> None:
    use(acme, slapd)
    use(globex, other_slapd)
    dn = f"ou=elsewhere,{slapd.suffix}"
    with listeners.listening(lambda client: None) as trap:
        ref = f"ldap://127.0.0.1:{trap.port}/{slapd.suffix}"
        slapd.apply(
            "ldapadd", "-M",
            ldif=f"dn: {dn}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\nref: {ref}\n",
        )  # fmt: skip
        try:
            proven = sign_in(api(acme), "alice", slapd.password("alice"))
            people = count_people()
            unknown = sign_in(api(acme), "nobody", slapd.password("alice"))
            listed = list(backend_of(acme, slapd).list_people())
        finally:
            slapd.apply("ldapdelete", "-M", dn)

    assert (trap.connections, bytes(trap.received)) == (0, b"")
    assert proven.status_code == 200
    assert unknown.status_code == 401
    assert len(listed) == 11
    assert count_people() == people
    assert sign_in(api(globex), "alice", slapd.password("alice")).status_code == 401


@pytest.mark.parametrize("username", ["alice", "nobody"])
def test_28_no_password_without_tls(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", username: str
) -> None:
    people = count_people()
    with listeners.recording(slapd.port) as proxy:
        use(acme, slapd, url=f"ldap://localhost:{proxy.port}")
        response = sign_in(api(acme), username, slapd.password("alice"))

    assert_unavailable(response)
    assert (proxy.connections, bytes(proxy.received)) == (0, b"")
    assert_nothing_changed(people)


def _refuse_start_tls(client: socket.socket) -> None:
    for number, tag, _ in listeners.requests(client):
        client.sendall(listeners.result(number, tag, REFUSED))


def _pretend_start_tls(client: socket.socket) -> None:
    """Says yes and stays in the clear, as if that had been all."""
    for number, tag, _ in listeners.requests(client):
        client.sendall(listeners.result(number, tag))


@pytest.mark.parametrize("talk", [_refuse_start_tls, _pretend_start_tls])
def test_28_start_tls_is_stripped(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", talk: listeners.Talk
) -> None:
    people = count_people()
    with listeners.listening(talk) as thief, listeners.recording(thief.port) as wire:
        use(acme, slapd, url=f"ldap://localhost:{wire.port}", start_tls=True)
        response = sign_in(api(acme), "alice", slapd.password("alice"))

    assert_unavailable(response)
    assert wire.connections == 1
    assert b"1.3.6.1.4.1.1466.20037" in wire.received
    for secret in (slapd.password("alice"), slapd.bind_password, slapd.bind_dn, "alice"):
        assert secret.encode() not in wire.received
    assert_nothing_changed(people)


def test_28_an_answer_slipped_in_ahead_of_tls(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd"
) -> None:
    """Somebody on the line cannot enter the TLS, but adds to the answer before it that binds have succeeded."""
    people = count_people()

    def talk(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", slapd.port)) as upstream:
            upstream.sendall(client.recv(65536))
            # Of the connection that is for the person's bind alone.
            slipped = listeners.result(2, BIND) if thief.connections == 2 else b""
            client.sendall(upstream.recv(65536) + slipped)
            listeners.relay(client, upstream)

    with listeners.listening(talk) as thief:
        use(acme, slapd, url=f"ldap://localhost:{thief.port}", start_tls=True)
        response = sign_in(api(acme), "alice", "not her password")

    assert_unavailable(response)
    assert thief.connections == 2
    assert_nothing_changed(people)


def test_28_start_tls_that_holds_lets_nothing_be_read(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd"
) -> None:
    with listeners.recording(slapd.port) as wire:
        use(acme, slapd, url=f"ldap://localhost:{wire.port}", start_tls=True)
        response = sign_in(api(acme), "alice", slapd.password("alice"))

    assert response.status_code == 200
    assert wire.connections == 2
    for secret in (slapd.password("alice"), slapd.bind_password, slapd.bind_dn, "alice"):
        assert secret.encode() not in wire.received


def _foreign(server: "Slapd") -> tuple[Any, dict[str, Any]]:
    return trustme.CA(), {}


def _of_another_host(server: "Slapd") -> tuple[Any, dict[str, Any]]:
    return server.authority, {"names": ("dir.globex.example",)}


def _expired(server: "Slapd") -> tuple[Any, dict[str, Any]]:
    return server.authority, {"not_after": datetime.now(UTC) - timedelta(days=1)}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (_foreign, "unable to get local issuer certificate"),
        (_of_another_host, "Hostname mismatch, certificate is not valid for 'localhost'."),
        (_expired, "certificate has expired"),
    ],
)
def test_29_a_certificate_that_is_not_the_directorys(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", caplog: pytest.LogCaptureFixture,
    made: Callable[["Slapd"], tuple[Any, dict[str, Any]]], reason: str,
) -> None:  # fmt: skip
    people = count_people()
    authority, more = made(slapd)
    tls = listeners.server_context(authority, *more.pop("names", ("localhost",)), **more)
    seen: list[int] = []

    def talk(client: socket.socket) -> None:
        for number, tag, _ in listeners.requests(client):
            seen.append(tag)
            client.sendall(listeners.result(number, tag))

    with listeners.listening(talk, context=tls) as thief:
        url = f"ldaps://localhost:{thief.port}"
        use(acme, slapd, url=url)
        response = sign_in(api(acme), "alice", slapd.password("alice"))
        with pytest.raises(BackendUnavailableError) as checked:
            list(backend_of(acme, slapd, url=url).check())

    assert_unavailable(response)
    assert reason not in response.content.decode()
    assert seen == []
    assert reason in checked.value.text
    said = [record for record in caplog.records if reason in record.getMessage()]
    assert [record.levelname for record in said] == ["WARNING"]
    assert slapd.bind_password not in caplog.text
    assert slapd.password("alice") not in caplog.text
    assert_nothing_changed(people)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "169.254.169.254", "[::ffff:127.0.0.1]"]
)
def test_31_a_directory_on_this_machine_or_at_the_metadata_service(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", host: str
) -> None:
    people = count_people()
    with listeners.listening(lambda client: None) as trap:
        use(acme, slapd, url=f"ldaps://{host}:{trap.port}")
        with override_settings(AUTH_EGRESS_ALLOW=[]):
            response = sign_in(api(acme), "alice", slapd.password("alice"))

    assert_unavailable(response)
    assert trap.connections == 0
    assert_nothing_changed(people)


def test_31_a_url_that_is_no_directorys(acme: TenantIdentity, slapd: "Slapd") -> None:
    for url in (
        "ldapi:///",
        "ldapi://%2Frun%2Fslapd",
        "http://localhost",
        "ldaps://a@localhost",
        [],
    ):
        with pytest.raises(BackendUnavailableError):
            backend_of(acme, slapd, url=url)


def _answering(found: Callable[[int], Iterator[bytes]]) -> listeners.Talk:
    """A server that takes any bind, and answers searches with whatever it is."""

    def talk(client: socket.socket) -> None:
        for number, tag, _ in listeners.requests(client):
            if tag == SEARCH:
                for octets in found(number):
                    client.sendall(octets)
            else:
                client.sendall(listeners.result(number, tag))

    return talk


def _endless_entries(number: int) -> Iterator[bytes]:
    while True:
        yield listeners.entry(number, "uid=alice", uid="alice")


def _endless_references(number: int) -> Iterator[bytes]:
    while True:
        yield listeners.message(number, 0x73, b"\x04\x08ldap://x")


def _a_gigabyte(number: int) -> Iterator[bytes]:
    yield b"\x30\x84\x40\x00\x00\x00"
    while True:
        yield bytes(65536)


def _slow_octets(number: int) -> Iterator[bytes]:
    # Well below what a message may have, an octet at a time and each in good time: for seven hours.
    yield b"\x30\x83\x02\x00\x00"
    while True:
        yield b"\x04"
        time.sleep(0.2)


def _deep_nesting(number: int) -> Iterator[bytes]:
    yield listeners.message(number, 0x64, b"\x30\x80" * 60_000)


def _a_long_number(number: int) -> Iterator[bytes]:
    yield listeners.message(
        number, 0x65, b"\x0a\x83\x03\x00\x00" + b"\x7f" * 0x30000, b"\x04\x00\x04\x00"
    )


def _another_id(number: int) -> Iterator[bytes]:
    yield listeners.result(number + 1, SEARCH)


def _half_an_element(number: int) -> Iterator[bytes]:
    yield listeners.message(number, 0x64, b"\x04\x7falice")


def _nothing(number: int) -> Iterator[bytes]:
    yield from ()


@pytest.mark.parametrize(
    "found",
    [
        _endless_entries, _endless_references, _a_gigabyte, _slow_octets, _deep_nesting,
        _a_long_number, _another_id, _half_an_element, _nothing,
    ],
)  # fmt: skip
def test_32_a_hostile_server(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, slapd: "Slapd", other_slapd: "Slapd",
    found: Callable[[int], Iterator[bytes]],
) -> None:  # fmt: skip
    use(globex, other_slapd)
    people = count_people()
    tls = listeners.server_context(slapd.authority)
    with listeners.listening(_answering(found), context=tls) as hostile:
        use(acme, slapd, url=f"ldaps://localhost:{hostile.port}", timeout_seconds=1)
        tracemalloc.start()
        # Most of these servers never end, so that there is an answer at all is what is proven of the time.
        response = sign_in(api(acme), "alice", slapd.password("alice"))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert_unavailable(response)
        assert_nothing_changed(people)
        others = sign_in(api(globex), "alice", other_slapd.password("alice"))

    assert others.status_code == 200
    assert most < 32 << 20


def test_32_pages_without_an_end(acme: TenantIdentity, slapd: "Slapd") -> None:
    from shared_apps.authn.backends.ldap import ber

    page = ber.encode(ber.SEQUENCE, b"\x02\x01\x00", ber.encode(ber.OCTETS, b"again"))
    control = ber.encode(
        ber.SEQUENCE,
        ber.encode(ber.OCTETS, b"1.2.840.113556.1.4.319"),
        ber.encode(ber.OCTETS, page),
    )
    searches: list[int] = []

    def talk(client: socket.socket) -> None:
        for number, tag, _ in listeners.requests(client):
            if tag != SEARCH:
                client.sendall(listeners.result(number, tag))
                continue
            searches.append(number)
            (_, whole), *_ = ber.elements(listeners.result(number, SEARCH))
            client.sendall(ber.encode(ber.SEQUENCE, whole, ber.encode(0xA0, control)))

    with listeners.listening(talk, context=listeners.server_context(slapd.authority)) as hostile:
        backend = backend_of(acme, slapd, url=f"ldaps://localhost:{hostile.port}")
        with pytest.raises(BackendUnavailableError):
            list(backend.list_people())

    assert len(searches) == 2


def _dies_at_the_persons_bind(dn: str, binds: list[bytes]) -> listeners.Talk:
    def talk(client: socket.socket) -> None:
        for number, tag, value in listeners.requests(client):
            if tag == BIND and dn.encode() in value:
                binds.append(value)
                return
            if tag == SEARCH:
                client.sendall(listeners.entry(number, dn, entryUUID="0" * 32, uid="alice"))
            client.sendall(listeners.result(number, tag))

    return talk


def test_37_one_bind_also_with_three_servers(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd"
) -> None:
    people = count_people()
    urls = [slapd.url, f"ldaps://127.0.0.1:{slapd.tls_port}", slapd.start_tls_url]
    use(acme, slapd, url=urls, start_tls=True)

    for _ in range(2):
        assert sign_in(api(acme), "alice", "not her password").status_code == 401

    assert len(slapd.values("alice", "pwdFailureTime")) == 2
    assert_nothing_changed(people)


def test_37_the_next_server_is_asked_before_a_bind_and_never_after_it(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd"
) -> None:
    people = count_people()
    binds: list[bytes] = []
    tls = listeners.server_context(slapd.authority)
    with ExitStack() as stack:
        dying = stack.enter_context(
            listeners.listening(_dies_at_the_persons_bind(slapd.dn("alice"), binds), context=tls)
        )
        dead = stack.enter_context(listeners.listening(lambda client: None))
        urls = [f"ldaps://localhost:{server.port}" for server in (dead, dying)] + [slapd.url]
        use(acme, slapd, url=urls)
        response = sign_in(api(acme), "alice", "not her password")

    assert_unavailable(response)
    assert (dead.connections, dying.connections, len(binds)) == (1, 2, 1)
    assert slapd.values("alice", "pwdFailureTime") == []
    assert_nothing_changed(people)
