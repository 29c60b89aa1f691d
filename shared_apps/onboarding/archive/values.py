"""Values of an archive's JSON, each taken only as what it has to be. All of these raise ValueError."""

import json
import re
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from shared_apps.core.text import has_unusable_characters

_BIGINT = 2**63
_LONGEST_TEXT = 1100
# As PostgreSQL writes a pg_snapshot; as long as there were transactions under way.
_SNAPSHOT = re.compile(r"\d{1,20}:\d{1,20}:(\d{1,20}(,\d{1,20}){0,20000})?", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")


def parse(text: bytes) -> object:
    """JSON as its standard has it: no NaN, no key twice, no more levels than can be read."""
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_without_repetition)
    except RecursionError:
        raise ValueError("too many levels") from None


def mapping(value: object, keys: Collection[str]) -> dict[str, Any]:
    """One with these keys and no other."""
    if not isinstance(value, dict) or value.keys() != set(keys):
        raise ValueError("other keys")
    return value


def any_mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not a mapping")
    return value


def items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("not a list")
    return value


def text(value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT or has_unusable_characters(value):
        raise ValueError("not a plain text")
    return value


def hash_of(value: object) -> str:
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise ValueError("not a checksum")
    return value


def snapshot(value: object) -> str:
    if not isinstance(value, str) or not _SNAPSHOT.fullmatch(value):
        raise ValueError("not a snapshot")
    return value


def identifier(value: object) -> UUID:
    return UUID(text(value))


def moment(value: object) -> datetime:
    found = datetime.fromisoformat(text(value))
    if found.tzinfo is None:
        raise ValueError("no offset")
    return found


def number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -_BIGINT <= value < _BIGINT:
        raise ValueError("not a number")
    return value


def count(value: object) -> int:
    if number(value) < 0:
        raise ValueError("less than none")
    return number(value)


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice")
    return found
