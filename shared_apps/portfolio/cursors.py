"""Where a page of audit entries of several tenants ended, as text for an address."""

import base64
import binascii
import json
from datetime import datetime
from uuid import UUID

from shared_apps.audit.selectors import Entry, Position
from shared_apps.portfolio.errors import CursorError


def write(entry: Entry) -> str:
    position = [entry.created_at.isoformat(), str(entry.tenant_id), entry.sequence]
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def read(text: str | None) -> Position | None:
    """Raises CursorError: not one that `write` gave."""
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        moment, tenant, sequence = json.loads(base64.urlsafe_b64decode(padded))
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or not 0 <= int(sequence) < 2**63:
            raise ValueError(text)
        return Position(created_at=created_at, tenant_id=UUID(tenant), sequence=int(sequence))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise CursorError(cursor=["This is not a position in a list."]) from error
