"""Destinations of audit entries: a web server with a certificate and syslog daemons, on this machine."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme


class Authority:
    """Issues certificates that only who is given `file` believes."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA()
        self.file = directory / "authority.pem"
        self._ca.cert_pem.write_to_path(str(self.file))

    def context(self, name: str = "localhost") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        return context


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes


def accept(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def answer(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


@dataclass
class Webhook:
    """What came, and what is answered to it; the answer is made with the connection itself."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    answer: Callable[[socket.socket], None] = accept

    @property
    def bodies(self) -> bytes:
        return b"".join(request.body for request in self.received)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    webhook: Webhook

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that break off are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.webhook.received.append(Received(self.path, dict(self.headers), body))
        self.close_connection = True
        self.server.webhook.answer(self.connection)

    def log_message(self, *arguments: Any) -> None:
        pass


@contextmanager
def webhook(context: ssl.SSLContext, *, port: int = 0) -> Iterator[Webhook]:
    server = _Server(("127.0.0.1", port), _Handler)
    server.webhook = Webhook(f"https://localhost:{server.server_port}/in?tenant=1")
    # Shaken hands by the thread of the request: one that sends garbage must not stop the others.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.webhook
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


@contextmanager
def syslog_stream(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """Port, and what came over each connection."""
    connections: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                accepted, _ = listener.accept()
            except OSError:
                return
            with context.wrap_socket(accepted, server_side=True) if context else accepted as peer:
                connections.append(_read_all(peer))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], connections
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def unframed(stream: bytes) -> list[bytes]:
    """Messages that each have their length ahead."""
    messages = []
    while stream:
        length, _, rest = stream.partition(b" ")
        messages.append(rest[: int(length)])
        stream = rest[int(length) :]
    return messages
