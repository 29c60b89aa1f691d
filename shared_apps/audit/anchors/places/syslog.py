"""A syslog server (RFC 5424): over UDP, over TCP with counted octets (RFC 6587), or a local socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

_NOTICE_OF_AUDIT = 13 * 8 + 5
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Syslog:
    host: str = ""
    port: int = 0
    is_stream: bool = False
    socket_path: str = ""

    @property
    def name(self) -> str:
        if self.socket_path:
            return f"syslog+unix://{self.socket_path}"
        return f"syslog{'+tcp' if self.is_stream else ''}://{self.host}:{self.port}"

    def keep(self, counter: int, document: str) -> None:
        """A line a message. No protocol of syslog tells whether it was kept; UDP not even whether it came."""
        with self._connected() as connection:
            for line in document.splitlines():
                message = _framed(line)
                connection.sendall(
                    b"%d %b" % (len(message), message) if self.is_stream else message
                )
            if self.is_stream:
                # A server that has gone away is noticed here, not with the next anchor.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1024):
                    pass

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        if self.socket_path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
                local.settimeout(_SECONDS)
                local.connect(self.socket_path)
                yield local
            return
        if self.is_stream:
            with socket.create_connection((self.host, self.port), timeout=_SECONDS) as connection:
                yield connection
            return
        family, kind, protocol, _, address = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as datagrams:
            datagrams.settimeout(_SECONDS)
            datagrams.connect(address)
            yield datagrams


def _framed(line: str) -> bytes:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    head = f"<{_NOTICE_OF_AUDIT}>1 {moment} {socket.gethostname()} freehold {os.getpid()} anchor -"
    return f"{head} {line}".encode()
