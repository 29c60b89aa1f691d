"""The product's own server, as in production, on the suite's database and Redis."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from websockets.sync.client import ClientConnection, connect

from shared_apps.core.context import TenantIdentity

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Server:
    port: int

    def host(self, tenant: TenantIdentity) -> str:
        return f"{tenant.slug}.localhost:{self.port}"

    def exchange(self, request: bytes, *, timeout: float = 10) -> bytes:
        """What is answered to exactly these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(request)
            answer = b""
            while portion := connection.recv(65536):
                answer += portion
        return answer

    def get(self, path: str, headers: Sequence[tuple[str, str]]) -> tuple[int, bytes]:
        """Status and body; the headers are sent as they are, also none or two of a kind."""
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        request = "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8")
        head, _, body = self.exchange(request).partition(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), body

    def open_socket(
        self,
        tenant: TenantIdentity,
        *,
        token: str | None = None,
        path: str = "/ws/updates/",
        origin: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> ClientConnection:
        """As a browser would: the token is a subprotocol."""
        protocols = ["freehold.v1", f"bearer.{token}"] if token else ["freehold.v1"]
        return connect(
            f"ws://{self.host(tenant)}{path}",
            sock=socket.create_connection(("127.0.0.1", self.port)),
            subprotocols=protocols,  # type: ignore[arg-type]
            origin=origin,  # type: ignore[arg-type]
            additional_headers=headers,
            proxy=None,
        )

    @contextmanager
    def raw_socket(self, tenant: TenantIdentity, *, token: str) -> Iterator[socket.socket]:
        """After the handshake, without a client that would follow the protocol."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(
                (
                    f"GET /ws/updates/ HTTP/1.1\r\nHost: {self.host(tenant)}\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                    f"Authorization: Bearer {token}\r\n\r\n"
                ).encode()
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += connection.recv(1)
            assert answer.startswith(b"HTTP/1.1 101 "), answer
            yield connection


@contextmanager
def serving(
    *, workers: int = 1, socket_check_seconds: int = 1, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """gunicorn with its asgi worker, running while the block does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            sys.executable, "-m", "gunicorn", "config.asgi:application", "-k", "asgi",
            "--workers", str(workers), "--bind", f"127.0.0.1:{port}", "--no-control-socket",
            "--graceful-timeout", "1", "--log-level", "warning", "--forwarded-allow-ips", "",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "SOCKET_CHECK_SECONDS": str(socket_check_seconds),
            **(environment or {}),
        },
    )  # fmt: skip
    try:
        _await_start(process, port)
        yield Server(port)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_start(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has ended"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(
                    b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                )
                # With the settings of production plain HTTP is sent on.
                if connection.recv(64).startswith((b"HTTP/1.1 200", b"HTTP/1.1 301")):
                    return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the server does not answer")
