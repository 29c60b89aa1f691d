"""What stands where a directory should: proxies that write down what passes, servers that mean no good."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from shared_apps.authn.backends.ldap import ber

Talk = Callable[[socket.socket], None]
SUCCESS, BIND, SEARCH, EXTENDED = 0, 0x60, 0x63, 0x77
_ANSWERS = {BIND: 0x61, SEARCH: 0x65, EXTENDED: 0x78}


@dataclass
class Listener:
    port: int
    connections: int = 0
    received: bytearray = field(default_factory=bytearray)
    """Everything that clients sent, as it was on the wire."""


@contextmanager
def listening(talk: Talk, *, context: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """`talk` is had with every client, each in a thread of its own, behind TLS if there is a context."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])
        open_sockets: list[socket.socket] = []

        def serve(accepted: socket.socket) -> None:
            try:
                with (
                    context.wrap_socket(accepted, server_side=True) if context else accepted as peer
                ):
                    open_sockets.append(peer)
                    talk(peer)
            except (OSError, ValueError, ber.MalformedError):
                pass  # the client has had enough

        def accept() -> None:
            while True:
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                listener.connections += 1
                open_sockets.append(accepted)
                thread = threading.Thread(target=serve, args=(accepted,), daemon=True)
                threads.append(thread)
                thread.start()

        threads: list[threading.Thread] = [threading.Thread(target=accept, daemon=True)]
        threads[0].start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for peer in list(open_sockets):
                _shut(peer)
            for thread in list(threads):
                thread.join(20)


@contextmanager
def recording(port: int) -> Iterator[Listener]:
    """A proxy to a port of this machine that writes down what clients send."""
    recorded: list[Listener] = []

    def talk(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            relay(client, upstream, record=recorded[0].received)

    with listening(talk) as listener:
        recorded.append(listener)
        yield listener


def relay(
    client: socket.socket, upstream: socket.socket, *, record: bytearray | None = None
) -> None:
    """Hand on what either says, until one of them ends."""
    back = threading.Thread(target=_pump, args=(upstream, client, None), daemon=True)
    back.start()
    _pump(client, upstream, record)
    back.join(10)


def _pump(source: socket.socket, target: socket.socket, record: bytearray | None) -> None:
    try:
        while octets := source.recv(65536):
            if record is not None:
                record += octets
            target.sendall(octets)
    except OSError:
        pass
    _shut(target)


def _shut(peer: socket.socket) -> None:
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def server_context(authority: Any, *names: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost",)), **more).configure_cert(context)
    return context


def requests(client: socket.socket) -> Iterator[tuple[int, int, bytes]]:
    """Message id, tag and value of each request."""
    held = b""
    while True:
        while (found := ber.header(held)) is None or len(held) < found[1] + found[2]:
            octets = client.recv(65536)
            if not octets:
                return
            held += octets
        _, offset, length = found
        (_, number), (tag, value), *_ = ber.elements(held[offset : offset + length])
        held = held[offset + length :]
        yield ber.integer(number), tag, value


def message(number: int, tag: int, *values: bytes) -> bytes:
    return ber.encode(
        ber.SEQUENCE,
        ber.encode(ber.INTEGER, ber.encode_integer(number)),
        ber.encode(tag, *values),
    )


def result(number: int, request: int, code: int = SUCCESS) -> bytes:
    """The answer to a request of this tag."""
    return message(
        number,
        _ANSWERS[request],
        ber.encode(ber.ENUMERATED, ber.encode_integer(code)),
        ber.encode(ber.OCTETS),
        ber.encode(ber.OCTETS),
    )


def entry(number: int, dn: str, **attributes: str) -> bytes:
    listed = (
        ber.encode(
            ber.SEQUENCE,
            ber.encode(ber.OCTETS, name.encode()),
            ber.encode(0x31, ber.encode(ber.OCTETS, value.encode())),
        )
        for name, value in attributes.items()
    )
    return message(
        number, 0x64, ber.encode(ber.OCTETS, dn.encode()), ber.encode(ber.SEQUENCE, *listed)
    )
