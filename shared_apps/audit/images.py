"""Rows as the trail has them, JSON texts as PostgreSQL wrote them: read, and compared with one another."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

_LONGEST_NUMBER = 4000  # digits; Python makes no number of much more

NOT_COMPARED: Final = {"": {"old": None, "new": "nested too deep to be compared"}}
"""The difference of images that PostgreSQL holds and Python cannot read: their change is stored all the same."""


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_NUMBER else text


_DECODER = json.JSONDecoder(parse_float=str, parse_int=_integer)
# Knows numbers itself, and so is faster; for texts that are no longer than a number may be.
_SHORT_DECODER = json.JSONDecoder(parse_float=str)


def difference(old_text: str | None, new_text: str | None) -> dict[str, dict[str, Any]]:
    """Changed field → `{"old": …, "new": …}`; decimals stay exact, as strings."""
    return {name: {"old": was, "new": now} for name, was, now in _changes(old_text, new_text)}


def difference_text(old_text: str | None, new_text: str | None) -> str:
    """The same as JSON. Field by field it takes half the time that `json.dumps` takes."""
    parts = [
        f'{_quoted(name)}: {{"old": {_written(was)}, "new": {_written(now)}}}'
        for name, was, now in _changes(old_text, new_text)
    ]
    return "{" + ", ".join(parts) + "}"


def _changes(old_text: str | None, new_text: str | None) -> list[tuple[str, Any, Any]]:
    old, new = load_values(old_text), load_values(new_text)
    if old is None:
        return [(name, None, now) for name, now in (new or {}).items()]
    if new is None:
        return [(name, was, None) for name, was in old.items()]
    return [
        (name, was, now)
        for name in dict.fromkeys([*old, *new])
        if (was := old.get(name)) != (now := new.get(name))
        or (name in old) != (name in new)
        # To Python 1 is True, also deep inside; their texts differ.
        or (was.__class__ is not str and repr(was) != repr(now))
    ]


_quoted = json.encoder.encode_basestring_ascii
_WRITERS: Mapping[type, Callable[[Any], str]] = {
    str: _quoted,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda _: "null",
}


def _written(value: Any) -> str:
    return _WRITERS.get(value.__class__, json.dumps)(value)


def load_values(text: str | None) -> dict[str, Any] | None:
    """A stored image. Numbers with a point become strings: 10.50 must not turn into 10.5.

    Raises:
        RecursionError: it is nested deeper than Python reads.
    """
    if text is None:
        return None
    decoder = _SHORT_DECODER if len(text) <= _LONGEST_NUMBER else _DECODER
    values: dict[str, Any] = decoder.decode(text)
    return values


def readable_values(text: str | None) -> dict[str, Any] | None:
    """The same for people who read entries: what Python cannot read is in an export."""
    try:
        return load_values(text)
    except RecursionError:
        return {"": "nested too deep to be shown"}
