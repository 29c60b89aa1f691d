"""Where a request comes from, through the proxies that are ours and no others.

The one function that says so: sessions, the audit trail and the limits of sign-ins go by it.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Nobody has so many proxies of their own in a row; whatever stands further left is not looked at.
_MOST_HOPS = 20


def client_address(*, peer: str | None, forwarded_for: str | None) -> str | None:
    """The address that a request comes from, in canonical form; None for a peer that has none (a socket file).

    `forwarded_for` is the X-Forwarded-For header. Each proxy adds whom it heard from at its right end,
    so it is read from there for as long as whoever added a value is one of TRUSTED_PROXIES. The header
    `Forwarded` (RFC 7239) is not read: who sends both could otherwise choose.
    """
    return _resolve(peer, forwarded_for, settings.TRUSTED_PROXIES)


def is_ours(peer: str | None) -> bool:
    """Whether what this peer says of a request besides the request itself is believed."""
    address = _parsed(peer or "")
    return address is not None and _is_in(address, settings.TRUSTED_PROXIES)


def _resolve(peer: str | None, forwarded_for: str | None, trusted: Sequence[Network]) -> str | None:
    address = _parsed(peer or "")
    if address is None:
        return None
    for hop in _hops(forwarded_for):
        if not _is_in(address, trusted):
            break
        told = _parsed(hop)
        if told is None:
            # One of our own proxies said so, or passed on what it should have looked at: it is then
            # the last that is known, and all who come this way count as one.
            break
        address = told
    return str(address)


def _hops(forwarded_for: str | None) -> list[str]:
    """From the right; none of what stands further left than we look."""
    if not forwarded_for:
        return []
    parts = forwarded_for.rsplit(",", _MOST_HOPS)
    if len(parts) > _MOST_HOPS:
        parts = parts[1:]
    return parts[::-1]


def _parsed(text: str) -> Address | None:
    """Of `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        # The zone is the proxy's own name for one of its interfaces.
        return IPv6Address(int(address))
    return address


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)
