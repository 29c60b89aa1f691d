"""How Active Directory writes times, lengths of time, identities and passwords."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TICKS_PER_MICROSECOND = 10


def moment(ticks: int) -> datetime | None:
    """A FILETIME; None where it stands for never or not yet (0, and all that no calendar holds)."""
    if ticks <= 0:
        return None
    try:
        return _EPOCH + timedelta(microseconds=ticks // _TICKS_PER_MICROSECOND)
    except OverflowError:
        return None


def file_time(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * _TICKS_PER_MICROSECOND


def length_of_time(ticks: int) -> timedelta | None:
    """A length, stored as a negative number; None for an endless one."""
    if ticks >= 0 or ticks <= -(2**63):
        return None
    return timedelta(microseconds=-ticks // _TICKS_PER_MICROSECOND)


def guid_text(value: bytes) -> str:
    """The text that Windows' own tools show; the first three groups are stored little-endian."""
    return str(UUID(bytes_le=value))


def guid_octets(text: str) -> bytes | None:
    """None: it is not what `guid_text` writes."""
    return UUID(text).bytes_le if _GUID.fullmatch(text) else None


def quoted_password(password: str) -> bytes:
    """What `unicodePwd` wants. A lone surrogate cannot be in it: such a text never gets this far."""
    return f'"{password}"'.encode("utf-16-le")
