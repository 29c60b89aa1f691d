"""Places in a list of entries, as text for an address, and the page that lies beside one."""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared_apps.audit.errors import CursorError
from shared_apps.audit.selectors import Entry, Position

_LARGEST = 2**63


@dataclass(frozen=True, slots=True)
class Cursor:
    """Beside which entry a page begins, and whether it goes on towards the present from there."""

    position: Position
    is_newer: bool = False

    @property
    def before(self) -> Position | None:
        return None if self.is_newer else self.position

    @property
    def after(self) -> Position | None:
        return self.position if self.is_newer else None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and the addresses of what lies on either side; None: nothing does."""

    entries: list[Entry]
    older: str | None
    newer: str | None


def read(text: str | None) -> Cursor | None:
    """Raises CursorError: not one that `page` gave."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        side, moment, tenant, sequence = json.loads(base64.urlsafe_b64decode(padded))
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or type(sequence) is not int or side not in ("<", ">"):
            raise ValueError(text)
        if not 0 <= sequence < _LARGEST:
            raise ValueError(text)
        position = Position(created_at=created_at, tenant_id=UUID(tenant), sequence=sequence)
        return Cursor(position, is_newer=side == ">")
    except (binascii.Error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise CursorError(cursor=["This is not a position in a list."]) from error


def page(found: list[Entry], *, size: int, cursor: Cursor | None) -> Page:
    """Of what was found with a limit of `size + 1`: the one beyond tells that there is more."""
    has_more = len(found) > size
    is_newer = cursor is not None and cursor.is_newer
    shown = (found[1:] if is_newer else found[:size]) if has_more else found
    if not shown:
        return Page([], older=None, newer=None)
    has_older = has_more or is_newer
    has_newer = has_more if is_newer else cursor is not None
    return Page(
        shown,
        older=_write("<", shown[-1]) if has_older else None,
        newer=_write(">", shown[0]) if has_newer else None,
    )


def _write(side: str, entry: Entry) -> str:
    place = [side, entry.created_at.isoformat(), str(entry.tenant_id), entry.sequence]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")
