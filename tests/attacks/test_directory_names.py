"""Attacks with what is typed, on people of directories, by their numbers in the threat list."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from shared_apps.authn.errors import BackendUnavailableError
from shared_apps.core.context import TenantIdentity
from tests.attacks.directories import (
    assert_nothing_changed,
    backend_of,
    by_passwords_again,
    count_people,
    sign_in,
    use,
)
from tests.client import Api
from tests.directories import listeners

if TYPE_CHECKING:
    from tests.directories.slapd import Slapd

ApiFactory = Callable[..., Api]


@pytest.fixture(autouse=True)
def _by_passwords_again(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    yield
    by_passwords_again(acme, globex)


@pytest.mark.parametrize("password", ["", "   ", "\x00", "\r", "\ud800"])
def test_24_an_empty_blank_or_nul_password_for_a_directory(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", password: str
) -> None:
    people = count_people()
    with listeners.recording(slapd.tls_port) as wire:
        use(acme, slapd, url=f"ldaps://localhost:{wire.port}")
        for username in ("alice", slapd.dn("alice")):
            assert sign_in(api(acme), username, password).status_code == 401

    assert (wire.connections, bytes(wire.received)) == (0, b"")
    assert_nothing_changed(people)


@pytest.mark.parametrize(
    "username",
    [
        "*", "al*", "a)(uid=*", "alice)(|(uid=*", "*)(objectClass=*", "\\2a", "\\61lice", "alice\x00", "alice\\00",
        "\u202ealice", "(uid=alice)", "alice,ou=people", "alice@acme.example", "x" * 256,
    ],
    ids=ascii,
)  # fmt: skip
def test_25_a_filter_for_a_user_name(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", username: str
) -> None:
    people = count_people()
    use(acme, slapd)

    assert sign_in(api(acme), username, slapd.password("alice")).status_code == 401

    assert slapd.values("alice", "pwdFailureTime") == []
    assert_nothing_changed(people)


@pytest.mark.parametrize("username", ["ALICE", " alice", "alice ", "al\u200bice"], ids=ascii)
def test_25_a_name_that_the_directory_takes_for_the_same(
    acme: TenantIdentity, slapd: "Slapd", username: str
) -> None:
    backend = backend_of(acme, slapd)

    for password, owner in (("alice", "alice"), ("bob", None)):
        proven = backend.prove(username=username, password=slapd.password(password))
        assert (proven.external_id if proven else None) in {
            slapd.external_id("alice") if owner else None,
            None,
        }


@pytest.mark.parametrize(
    "username",
    [
        "uid=alice,ou=people,dc=acme,dc=example", "alice,ou=people", "cn=freehold,ou=services,dc=acme,dc=example",
        "cn=root,dc=acme,dc=example", "", "alice+cn=Alice Adams",
    ],
)  # fmt: skip
def test_26_a_dn_for_a_user_name(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", username: str
) -> None:
    people = count_people()
    use(acme, slapd)

    for password in (slapd.password("alice"), slapd.bind_password, "root"):
        assert sign_in(api(acme), username, password).status_code == 401

    assert slapd.values("alice", "pwdFailureTime") == []
    assert_nothing_changed(people)


def test_26_a_dn_full_of_signs_is_sent_as_it_is(acme: TenantIdentity, slapd: "Slapd") -> None:
    proven = backend_of(acme, slapd).prove(username="jürgen", password=slapd.password("jürgen"))

    assert proven is not None
    assert (proven.username, proven.name) == ("jürgen", "Jürgen Groß, 1st (Lord) \\ *")


def test_30_two_entries_with_one_name(
    acme: TenantIdentity, api: ApiFactory, slapd: "Slapd", caplog: pytest.LogCaptureFixture
) -> None:
    people = count_people()
    use(acme, slapd)

    assert sign_in(api(acme), "twin", slapd.password("twin")).status_code == 401

    said = [r for r in caplog.records if "several people" in r.getMessage()]
    assert [record.levelname for record in said] == ["WARNING"]
    assert slapd.values("twin", "pwdFailureTime") == []
    assert_nothing_changed(people)
    # Below one of the two there is one.
    one = backend_of(acme, slapd, base_dn=f"ou=people,{slapd.suffix}")
    proven = one.prove(username="twin", password=slapd.password("twin"))
    assert proven is not None
    assert proven.external_id == slapd.external_id("twin")


def test_31_a_name_that_changes_its_mind(
    acme: TenantIdentity, slapd: "Slapd", settings: Any
) -> None:
    """Judged once, connected to what was judged: a second answer of the name is never asked for."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def fickle(host: Any, *arguments: Any, **more: Any) -> Any:
        if host == "dir.acme.example":
            asked.append(host)
            return really("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *arguments, **more)
        return really(host, *arguments, **more)

    lock = threading.Lock()
    tls = listeners.server_context(slapd.authority, "dir.acme.example")
    with listeners.listening(lambda client: None, context=tls) as server, lock:
        socket.getaddrinfo = fickle
        try:
            backend = backend_of(acme, slapd, url=f"ldaps://dir.acme.example:{server.port}")
            with pytest.raises(BackendUnavailableError):
                backend.prove(username="alice", password=slapd.password("alice"))
        finally:
            socket.getaddrinfo = really

    assert asked == ["dir.acme.example"]
    assert server.connections == 1
