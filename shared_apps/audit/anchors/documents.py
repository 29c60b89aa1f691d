"""An anchor: the ends of all chains at a moment, signed, as lines of text.

The first line holds the signed statement, a JWS whose claims name the Merkle root of the ends; further lines hold
the ends themselves, in portions that fit a message of syslog. A tenant's own end can be proven to it with the
hashes beside it, which tell nothing of the others.

Knows nothing of Django: an auditor's machine reads anchors with it.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared_apps.audit.anchors.keys import SigningKey

_ENDS_PER_LINE = 12  # a message of syslog over UDP should stay below 2048 bytes (RFC 5424, 6.1)
VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class End:
    """Where a tenant's chain ended."""

    tenant_id: UUID
    sequence: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """What is signed."""

    counter: int
    """Of the anchors themselves: none is left out."""
    taken_at: datetime
    previous: str
    """The digest of the anchor before, in hexadecimal; empty in the first."""
    system: str
    """The database cluster's own identifier: a copy that was restored elsewhere has another."""
    is_full: bool
    """All chains; else those that moved since the anchor before."""
    ends: int
    root: str


def digest(jws: str) -> bytes:
    """What the next anchor names this one by."""
    return hashlib.sha256(jws.encode()).digest()


def sign(statement: Statement, key: SigningKey) -> str:
    claims = {
        "v": VERSION,
        "counter": statement.counter,
        "taken_at": statement.taken_at.astimezone(UTC).isoformat(),
        "previous": statement.previous,
        "system": statement.system,
        "full": statement.is_full,
        "ends": statement.ends,
        "root": statement.root,
    }
    return key.sign(json.dumps(claims, separators=(",", ":")).encode())


def parse_claims(payload: bytes) -> Statement:
    """Raises ValueError: it was not written by `sign`."""
    try:
        claims = json.loads(payload)
        if claims["v"] != VERSION:
            raise ValueError(f"anchors of version {claims['v']} are not known here")
        return Statement(
            counter=int(claims["counter"]),
            taken_at=datetime.fromisoformat(claims["taken_at"]),
            previous=str(claims["previous"]),
            system=str(claims["system"]),
            is_full=bool(claims["full"]),
            ends=int(claims["ends"]),
            root=str(claims["root"]),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an anchor: {error}") from error


def root(ends: Sequence[End]) -> str:
    """The Merkle tree hash of the ends in the order of their tenants (RFC 6962, 2.1)."""
    return tree([leaf(end) for end in sorted(ends)]).hex()


def leaf(end: End) -> bytes:
    return hashlib.sha256(
        b"\x00%b:%d:%b" % (str(end.tenant_id).encode(), end.sequence, end.hash)
    ).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = split(len(leaves))
    return node(tree(leaves[:half]), tree(leaves[half:]))


def split(count: int) -> int:
    """The largest power of two below a count."""
    return int(1 << (count - 1).bit_length() - 1)


def render(jws: str, counter: int, ends: Sequence[End]) -> str:
    """The lines of an anchor."""
    ordered = sorted(ends)
    lines: list[dict[str, Any]] = [{"freehold_anchor": jws}]
    for start in range(0, len(ordered), _ENDS_PER_LINE):
        portion = ordered[start : start + _ENDS_PER_LINE]
        lines.append(
            {
                "freehold_ends": counter,
                "ends": [[str(end.tenant_id), end.sequence, end.hash.hex()] for end in portion],
            }
        )
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


def parse_line(line: str) -> str | tuple[int, list[End]] | None:
    """A signed statement, or ends of an anchor; None: something else. A syslog server may put more before it."""
    start = line.find('{"freehold_')
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(line, start)
        if "freehold_anchor" in found:
            return str(found["freehold_anchor"])
        return int(found["freehold_ends"]), [
            End(UUID(tenant), int(sequence), bytes.fromhex(value))
            for tenant, sequence, value in found["ends"]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
