"""Under which keys addresses are counted. None of them is readable in Redis."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from django.utils.crypto import salted_hmac

# An address of IPv6 is one of 2^64 that its owner may choose from.
_OWNERS_SHARE = 64


@lru_cache(maxsize=4096)
def address_key(address: str | None) -> str:
    """One value for all addresses that one client may send from.

    Who comes without one (through a socket file) is counted together with all others that do.
    """
    if address is None:
        return _sealed("")
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        network = parsed.packed[: _OWNERS_SHARE // 8].hex()
        return _sealed(str(mapped) if mapped else network)
    return _sealed(str(parsed))


def _sealed(value: str) -> str:
    """Addresses are few and can be tried, so a plain hash would tell them."""
    made = salted_hmac("freehold.authn.limits.address", value, algorithm="sha256")
    return made.hexdigest()[:32]
