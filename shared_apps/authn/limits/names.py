"""Under which keys attempts are counted. No name and no address is readable in Redis."""

import unicodedata
from ipaddress import IPv6Address, ip_address

from django.utils.crypto import salted_hmac

# An address of IPv6 is one of 2^64 that its owner may choose from.
_OWNERS_SHARE = 64
_LONGEST = 1024


def account_key(username: str, *, is_directory: bool) -> str:
    """One value for all names that may lead to the same account.

    Directories do not tell `ALICE` from ` alice`, some not `alice` from `alice` with a NUL behind it, and
    know the same person as `EXAMPLE\\alice` and `alice@example.com`; there the part that all of these
    have in common counts. Names that differ here are surely different accounts; that two accounts
    may share a value costs them a limit in common and nothing else.
    """
    folded = unicodedata.normalize("NFKC", username[:_LONGEST]).casefold()
    folded = unicodedata.normalize("NFKC", folded)
    # Blanks, control and format characters, lone surrogates.
    kept = "".join(
        character
        for character in folded
        if not character.isspace() and unicodedata.category(character)[0] != "C"
    )
    if is_directory:
        kept = kept.rpartition("\\")[2].partition("@")[0] or kept
    return _sealed("account", kept)


def address_key(address: str | None) -> str:
    """One value for all addresses that one client may send from.

    Who comes without one (through a socket file) is counted together with all others that do.
    """
    if address is None:
        return _sealed("address", "")
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        network = parsed.packed[: _OWNERS_SHARE // 8].hex()
        return _sealed("address", str(mapped) if mapped else network)
    return _sealed("address", str(parsed))


def _sealed(kind: str, value: str) -> str:
    """Names are few and can be tried, so a plain hash would tell them."""
    made = salted_hmac(f"freehold.authn.limits.{kind}", value, algorithm="sha256")
    return made.hexdigest()[:32]
