"""Anchors over syslog: real sockets, and a log that verifies."""

import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings

from shared_apps.audit.anchors import comparing, taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.errors import AnchorPlaceError
from tests.audit_chains import Chains, two_chains
from tests.installation import Installation
from tests.waiting import wait_until

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def chains(system: Installation) -> Iterator[Chains]:
    with two_chains() as made:
        yield made


def _give_and_compare(chains: Chains, place: str, log: Path, received: list[bytes]) -> None:
    key = SigningKey.generate()
    taken = taking.take(
        url=settings.AUDIT_AUDITOR_DATABASE_URL, key=key, places=naming.places([place]), at=NOW
    )
    assert taken.failures == {}
    wait_until(lambda: len(received) >= 1 + -(-taken.ends // 12), "all messages came")
    log.write_bytes(b"".join(b"Nov 20 12:00:00 host " + message + b"\n" for message in received))

    compared = comparing.compare(
        url=settings.AUDIT_AUDITOR_DATABASE_URL,
        reader=Reader([log], {key.public.id: key.public}),
        tenants=[chains.one, chains.other],
    )

    assert all(message.startswith(b"<109>1 2") for message in received)
    assert max(map(len, received)) < 2048
    assert (compared.problems, compared.of_anchors) == ({}, [])
    assert compared.proven == {chains.one: 9, chains.other: 9}


@pytest.mark.parametrize("kind", ["udp", "unix"])
def test_messages_of_datagrams(chains: Chains, tmp_path: Path, kind: str) -> None:
    family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0) if kind == "udp" else str(tmp_path / "log.sock"))
        place = (
            f"syslog://127.0.0.1:{server.getsockname()[1]}"
            if kind == "udp"
            else f"syslog+unix://{tmp_path}/log.sock"
        )
        received: list[bytes] = []

        def receive() -> None:
            while (message := server.recv(65536)) != b"stop":
                received.append(message)

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            _give_and_compare(chains, place, tmp_path / "log", received)
        finally:
            with socket.socket(family, socket.SOCK_DGRAM) as stopping:
                stopping.sendto(b"stop", server.getsockname())
            thread.join()


def test_counted_octets_over_a_stream(chains: Chains, tmp_path: Path) -> None:
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def receive() -> None:
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as stream:
                while length := stream.read(1):
                    while (digit := stream.read(1)) != b" ":
                        length += digit
                    received.append(stream.read(int(length)))

        thread = threading.Thread(target=receive)
        thread.start()
        place = f"syslog+tcp://127.0.0.1:{server.getsockname()[1]}"
        _give_and_compare(chains, place, tmp_path / "log", received)
        thread.join()


def test_a_server_that_is_away_gets_it_later(chains: Chains, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"syslog+tcp://127.0.0.1:{server.getsockname()[1]}"
    places = naming.places([place, (tmp_path / "kept").as_uri()])
    key = SigningKey.generate()

    taken = taking.take(url=settings.AUDIT_AUDITOR_DATABASE_URL, key=key, places=places, at=NOW)

    assert list(taken.failures) == [place]
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize(
    "url", ["/var/anchors", "file://host/anchors", "ftp://host", "syslog://", "syslog://h:x", ""]
)
def test_a_place_that_is_not_known_is_refused(url: str) -> None:
    with pytest.raises(AnchorPlaceError, match="AUDIT_ANCHOR_PLACES"):
        naming.places([url])
