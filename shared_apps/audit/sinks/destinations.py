"""What a destination may be, and at which address: nothing inside the installation's own network.

Whoever may name a destination could have us knock at the database, the cloud's metadata service or a
neighbour's machine. So the name is resolved here, every address that it has must be public, and the
connection is made to the address that was judged: a name that changes its mind in between reaches nothing.
"""

import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from shared_apps.audit.errors import DeliveryError, SinkError
from shared_apps.core.addresses import Address, Network, embedded_ipv4

CONNECT_SECONDS = 5.0
_PORTS = {"https": 443, "syslog+tls": 6514, "syslog+tcp": 601, "syslog+udp": 514}
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Destination:
    """`https://host/path`, `syslog+tls://host`, `syslog+tcp://host`, `syslog+udp://host`."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> "Destination":
        """Raises SinkError: it is none of these, or holds a password."""
        if not text.isascii() or not text.isprintable() or " " in text or len(text) > _LONGEST:
            raise SinkError("the destination has characters that no address has, or too many")
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname
        except ValueError as error:
            raise SinkError(f"the destination is no address: {error}") from None
        if parts.scheme not in _PORTS:
            raise SinkError(f"the destination must begin with {', '.join(_PORTS)}, then ://")
        if not host or parts.fragment or port == 0:
            raise SinkError("the destination must be scheme://host[:port]")
        if parts.username is not None or parts.password is not None:
            raise SinkError("the destination holds a user or a password; secrets are referred to")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme != "https" and path != "/":
            raise SinkError("a syslog destination has no path")
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], path)

    @property
    def is_webhook(self) -> bool:
        return self.scheme == "https"


def resolve(destination: Destination, *, kind: socket.SocketKind) -> list[str]:
    """The addresses of a destination, of which none is internal.

    Raises:
        DeliveryError: the name is not known, or leads where it must not.
    """
    try:
        found = socket.getaddrinfo(destination.host, destination.port, type=kind)
    except (OSError, UnicodeError) as error:
        raise DeliveryError(f"{destination.host} is not known: {error}") from error
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not is_permitted(ip_address(address), settings.AUDIT_SINK_NETWORKS):
            raise DeliveryError(
                f"{destination.host} is {address}, which is not public and in none of AUDIT_SINK_NETWORKS"
            )
    return addresses


def is_permitted(address: Address, networks: Sequence[Network]) -> bool:
    """Also of the IPv4 address that hides in one of IPv6."""
    if any(address in network for network in networks):
        return True
    inner = embedded_ipv4(address)
    if inner is not None:
        return is_permitted(inner, networks)
    return address.is_global and not address.is_multicast and not address.is_reserved


def connect(destination: Destination) -> socket.socket:
    """A connection to an address that was judged, within `CONNECT_SECONDS` each.

    Raises:
        DeliveryError: it is not known, not permitted, or does not answer.
    """
    last: OSError | None = None
    for address in resolve(destination, kind=socket.SOCK_STREAM):
        try:
            return socket.create_connection((address, destination.port), CONNECT_SECONDS)
        except OSError as error:
            last = error
    raise DeliveryError(f"{destination.host} does not answer: {last}") from last


def encrypted(connection: socket.socket, destination: Destination) -> ssl.SSLSocket:
    """Raises OSError: the other side is not who it says, or knows no TLS."""
    context = ssl.create_default_context()
    if settings.AUDIT_SINK_AUTHORITIES:
        context.load_verify_locations(settings.AUDIT_SINK_AUTHORITIES)
    return context.wrap_socket(connection, server_hostname=destination.host)
