"""Who made a change, as far as what its transaction was told can be believed.

SQL of a tenant can set that to anything (docs/threat-model.md). What is no attribution is said to be none:
it must neither stop the relay, which moves every tenant's changes, nor reach the trail as if it were one.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

from shared_apps.core.text import has_unusable_characters

_LONGEST = 10_000  # characters; an attribution has some hundred
_LONGEST_VALUE = 500
_PEOPLE = ("user_id", "on_behalf_of")
_REASON = "unknown"

NOT_SET = {_REASON: "no attribution was set"}
MALFORMED = {_REASON: "what was set is no attribution"}
ANONYMOUS = {_REASON: "nobody had signed in"}


def read(text: str | None) -> dict[str, str]:
    """What was recorded of who did it; `unknown` says why nobody is named.

    Names that this version does not know are kept: the writer may be newer than the relay.
    """
    if not text:
        return dict(NOT_SET)
    try:
        found = _parse(text)
    except (ValueError, RecursionError):
        return dict(MALFORMED)
    found.pop(_REASON, None)
    if not found:
        return dict(NOT_SET)
    return found if modified_by(found) else {**found, **ANONYMOUS}


def modified_by(who: Mapping[str, str]) -> str | None:
    """The person's id, else `system:<what acted>`, else None."""
    if who.get("user_id"):
        return who["user_id"]
    return f"system:{who['system']}" if who.get("system") else None


def _parse(text: str) -> dict[str, str]:
    """Raises ValueError, RecursionError."""
    if len(text) > _LONGEST:
        raise ValueError("too long")
    found: Any = json.loads(text, parse_constant=_refuse)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    for name, value in found.items():
        if not isinstance(value, str) or len(value) > _LONGEST_VALUE:
            raise ValueError("not a short text")
        if has_unusable_characters(name) or has_unusable_characters(value):
            raise ValueError("not a plain text")
    for name in _PEOPLE:
        if name in found:
            UUID(found[name])
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
