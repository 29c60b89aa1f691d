"""Octets to and from a directory: over TLS, whole messages, within a time and a size."""

import socket
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache

from shared_apps.authn.backends.ldap import ber
from shared_apps.authn.backends.ldap.faults import ServerFault, UncertainFault
from shared_apps.core import egress

CONNECT_SECONDS = 3.0
_CHUNK = 65_536


@dataclass(frozen=True)
class Limit:
    """What one request may cost us, whatever the server does."""

    seconds: float
    message_octets: int = 1 << 18
    octets: int = 1 << 20
    entries: int = 1000


class Wire:
    """One connection; anything that goes wrong on it closes it."""

    def __init__(self, *, host: str, port: int, until: float) -> None:
        """Raises ServerFault. `until`, of the monotonic clock, is when all must be over."""
        self._host = host
        self._until = until
        self._received = b""
        try:
            self._socket = egress.connect(
                host=host,
                port=port,
                seconds=self._left(CONNECT_SECONDS),
                setting="AUTH_EGRESS_ALLOW",
            )
        except (egress.EgressError, OSError) as error:
            raise ServerFault(f"{host}:{port}: {error}") from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_encrypted(self) -> bool:
        return isinstance(self._socket, ssl.SSLSocket)

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Raises ServerFault: the other side is not who it says, or knows no TLS."""
        if self._received:
            self.close()
            raise ServerFault(f"{self._host} sent more than was asked for ahead of TLS")
        try:
            self._socket.settimeout(self._left(CONNECT_SECONDS))
            self._socket = context.wrap_socket(self._socket, server_hostname=self._host)
        except (OSError, ValueError) as error:
            self.close()
            raise ServerFault(f"no TLS with {self._host}: {_reason(error)}") from error

    def send(self, octets: bytes, limit: Limit) -> None:
        """Raises UncertainFault: it may have arrived."""
        try:
            self._socket.settimeout(self._left(limit.seconds))
            self._socket.sendall(octets)
        except OSError as error:
            self.close()
            raise UncertainFault(f"{self._host}: {_reason(error)}") from error

    def receive(self, limit: Limit, *, until: float) -> bytes:
        """The value of one message. Raises UncertainFault: there is none, or not in time, or a longer one."""
        try:
            while (found := ber.header(self._received)) is None:
                self._read(until)
            tag, offset, length = found
            if tag != ber.SEQUENCE or length > limit.message_octets:
                raise UncertainFault(f"{self._host} sends what is no message, or too long a one")
            parts = [self._received]
            missing = offset + length - len(self._received)
            while missing > 0:
                self._received = b""
                parts.append(self._read(until))
                missing -= len(parts[-1])
            whole = b"".join(parts)
        except UncertainFault:
            self.close()
            raise
        except (OSError, ber.MalformedError) as error:
            self.close()
            raise UncertainFault(f"{self._host}: {_reason(error)}") from error
        self._received = whole[offset + length :]
        return whole[offset : offset + length]

    def deadline(self, limit: Limit) -> float:
        return min(self._until, time.monotonic() + limit.seconds)

    def close(self) -> None:
        self._socket.close()

    def _read(self, until: float) -> bytes:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError("no answer in time")
        self._socket.settimeout(left)
        octets = self._socket.recv(_CHUNK)
        if not octets:
            raise ConnectionResetError("closed the connection")
        self._received += octets
        return octets

    def _left(self, most: float) -> float:
        left = min(most, self._until - time.monotonic())
        if left <= 0:
            raise ServerFault(f"{self._host}: no answer in time")
        return left


# A context with the system's authorities takes tens of milliseconds to make. A tenant has one text.
@lru_cache(maxsize=256)
def tls_context(authorities: str) -> ssl.SSLContext:
    """Certificates and names are always checked: by these authorities (PEM), or the system's for none.

    Raises:
        ServerFault: no certificate is in it.
    """
    try:
        context = ssl.create_default_context(cadata=authorities or None)
    except (ssl.SSLError, ValueError) as error:
        raise ServerFault(f"ca_certificate holds no certificate: {_reason(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
