"""Whether an end is among those of an anchor, shown by the hashes beside its way to the root (RFC 9162, 2.1.3).

Knows nothing of Django: an auditor's machine checks proofs with it.
"""

from collections.abc import Sequence

from shared_apps.audit.anchors.documents import End, leaf, node, split, tree


def path_of(ends: Sequence[End], index: int) -> list[bytes]:
    """The hashes beside the way from the end at `index` to the root, the nearest first; `ends` are in their order."""
    return _path([leaf(end) for end in ends], index)


def _path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    half = split(len(leaves))
    if index < half:
        return [*_path(leaves[:half], index), tree(leaves[half:])]
    return [*_path(leaves[half:], index - half), tree(leaves[:half])]


def root_by(end: End, *, index: int, count: int, path: Sequence[bytes]) -> str:
    """The root that an end leads to as one of `count`, in hexadecimal.

    Raises:
        ValueError: a tree of so many has no such way.
    """
    if not 0 <= index < count:
        raise ValueError(f"there is no place {index} among {count}")
    return _climb(leaf(end), index, count, list(path)).hex()


def _climb(own: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    if count == 1:
        if path:
            raise ValueError("the way to the root is too long")
        return own
    if not path:
        raise ValueError("the way to the root is too short")
    half, beside = split(count), path.pop()
    if index < half:
        return node(_climb(own, index, half, path), beside)
    return node(beside, _climb(own, index - half, count - half, path))
