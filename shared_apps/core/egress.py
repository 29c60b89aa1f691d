"""Where what tenants name may be: nowhere on this machine, and not at a cloud's metadata.

Whoever may name a directory or a mail server could have us knock at what only this machine reaches. So the name is resolved here, the
addresses are judged, and the connection is made to an address that was judged: a name that changes its
mind in between gains nothing. TLS still asks for the name.
"""

import socket
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from django.conf import settings

from shared_apps.core.addresses import Address, Network, embedded_ipv4

# Customers' servers are in private networks as a rule.
_PRIVATE = tuple(
    ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)
# Clouds' metadata services outside the link-local networks.
_METADATA = tuple(
    ip_address(text) for text in ("fd00:ec2::254", "100.100.100.200", "168.63.129.16")
)


class EgressError(Exception):
    """The host leads where nothing of a tenant's may lead us, or nowhere."""


def connect(*, host: str, port: int, seconds: float, setting: str) -> socket.socket:
    """A connection to an address that was judged by the networks in one of the settings.

    Raises:
        EgressError: the name is not known, or one of its addresses is not allowed.
        OSError: none of them answers.
    """
    last: OSError | None = None
    for address in resolve(host=host, port=port, setting=setting):
        try:
            return socket.create_connection((address, port), seconds)
        except OSError as error:
            last = error
    assert last is not None
    raise last


def resolve(*, host: str, port: int, setting: str) -> list[str]:
    """The addresses of a host, every one of them allowed. Raises EgressError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EgressError(f"{host} is not known: {error}") from error
    networks: Sequence[Network] = getattr(settings, setting)
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        if not is_allowed(ip_address(address), networks):
            raise EgressError(f"{host} is {address}, where {setting} lets nothing be")
    return addresses


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether a server of a tenant's may be at `address`, where `networks`, if there are any, are all that is allowed.

    A network that is wider than loopback does not open loopback: 0.0.0.0/0 is said by who means the world.
    """
    inner = embedded_ipv4(address)
    if inner is not None and not address.is_loopback:
        return is_allowed(inner, networks)
    if (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address in _METADATA
    ):
        return False
    if address.is_loopback:
        return any(address in network for network in networks if network.is_loopback)
    if networks:
        return any(address in network for network in networks)
    return address.is_global or any(address in network for network in _PRIVATE)
