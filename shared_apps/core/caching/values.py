"""Values as JSON that comes back as what it was: exact numbers, dates and UUIDs. Never pickle.

Whoever can write to Redis could otherwise have the product run what they like.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

_MARK: Final = "$"
# A datetime is a date too, so it comes first.
_KINDS: Final[tuple[tuple[type[Any], str, Callable[[Any], str], Callable[[str], Any]], ...]] = (
    (Decimal, "decimal", str, Decimal),
    (datetime, "datetime", datetime.isoformat, datetime.fromisoformat),
    (date, "date", date.isoformat, date.fromisoformat),
    (time, "time", time.isoformat, time.fromisoformat),
    (UUID, "uuid", str, UUID),
)
_READERS: Final = {name: read for _, name, _, read in _KINDS}


def dump(value: object) -> bytes:
    """Raises TypeError: something in it would not come back as it is."""
    return json.dumps(
        _plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def load(text: bytes) -> Any:
    """Raises ValueError: it was not written by `dump`."""
    try:
        return json.loads(text, object_pairs_hook=_restored)
    except (TypeError, KeyError, ArithmeticError) as error:
        raise ValueError("this is no value that was kept") from error


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return _plain_mapping(value)
    for kind, name, write, _ in _KINDS:
        if isinstance(value, kind):
            return {_MARK: name, "value": write(value)}
    raise TypeError(f"{type(value).__name__} is not kept; turn it into plain values first")


def _plain_mapping(value: Mapping[Any, object]) -> object:
    if not all(isinstance(key, str) for key in value):
        raise TypeError("only mappings with texts as keys are kept")
    plain = {str(key): _plain(item) for key, item in value.items()}
    # One with our own mark in it is kept as pairs, so that it is not taken for something else.
    return {_MARK: "mapping", "value": [*map(list, plain.items())]} if _MARK in plain else plain


def _restored(pairs: list[tuple[str, Any]]) -> Any:
    found = dict(pairs)
    if _MARK not in found:
        return found
    kind, text = found[_MARK], found["value"]
    return {key: item for key, item in text} if kind == "mapping" else _READERS[kind](text)
