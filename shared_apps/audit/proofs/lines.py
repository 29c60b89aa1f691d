"""The lines of a proof: what it is about, entries as an export has them, and after each stretch of them its anchor.

A stretch goes from an entry that was asked for to the first end of the chain after it that an anchor names. The
entries of a stretch prove each other; the end is proven by its way to the root that the anchor signs. That way is
hashes alone, so that nothing is told of other tenants but how many chains the anchor has.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared_apps.audit.anchors.documents import End

VERSION = 1


@dataclass(frozen=True, slots=True)
class AnchoredEnd:
    """An end of a chain with what proves that it was anchored."""

    end: End
    index: int
    path: tuple[bytes, ...]
    signed: str


@dataclass(frozen=True, slots=True)
class Head:
    tenant_id: UUID
    asked: tuple[tuple[int, int], ...]
    """Runs of numbers, each from its first to its last."""


def runs(numbers: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Numbers in their order as runs without gaps."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return tuple(found)


def head_line(head: Head) -> bytes:
    return _line(
        "freehold_proof",
        {"version": VERSION, "tenant_id": str(head.tenant_id), "entries": head.asked},
    )


def anchored_line(anchored: AnchoredEnd) -> bytes:
    said = {
        "sequence": anchored.end.sequence,
        "hash": anchored.end.hash.hex(),
        "index": anchored.index,
        "path": [beside.hex() for beside in anchored.path],
        "anchor": anchored.signed,
    }
    return _line("freehold_anchored", said)


def parse_head(said: Any) -> Head:
    """Raises ValueError, KeyError, TypeError: it was not written by `head_line`."""
    if said["version"] != VERSION:
        raise ValueError(f"proofs of version {said['version']} are not known here")
    return Head(UUID(said["tenant_id"]), tuple((int(a), int(b)) for a, b in said["entries"]))


def parse_anchored(said: Any, tenant_id: UUID) -> AnchoredEnd:
    """Raises ValueError, KeyError, TypeError: it was not written by `anchored_line`."""
    return AnchoredEnd(
        End(tenant_id, int(said["sequence"]), bytes.fromhex(said["hash"])),
        int(said["index"]),
        tuple(bytes.fromhex(beside) for beside in said["path"]),
        str(said["anchor"]),
    )


def _line(name: str, said: Any) -> bytes:
    return json.dumps({name: said}, separators=(",", ":")).encode() + b"\n"
