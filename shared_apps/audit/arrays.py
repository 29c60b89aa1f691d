"""Columns of many rows as PostgreSQL takes arrays in binary.

psycopg packs an array value by value, which cost the relay as much as half of what it does in between.
What repeats, as the person and the table of a bulk change do, is packed once here.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_TEXT, _UUID, _TIMESTAMPTZ = 25, 2950, 1184  # pg_type.oid of the elements
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

_header = struct.Struct(
    "!iiIii"
).pack  # dimensions, whether one is null, type, length, first number
_length = struct.Struct("!i").pack
_microseconds = struct.Struct("!iq").pack
_NULL: Final = b"\xff\xff\xff\xff"  # a length of -1


class PackedArray(bytes):
    """A parameter `%b`. The statement casts it, because it does not tell its type."""


class _PackedArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PackedArray) -> PackedArray:
        return obj


psycopg.adapters.register_dumper(PackedArray, _PackedArrayDumper)


def texts(values: Sequence[str | None]) -> PackedArray:
    packed = {value: _packed_text(value) for value in set(values)}
    return _array(_TEXT, [packed[value] for value in values], has_null=None in packed)


def uuids(values: Sequence[UUID]) -> PackedArray:
    return _array(_UUID, [_length(16) + value.bytes for value in values])


def timestamps(values: Sequence[datetime]) -> PackedArray:
    """Of datetimes that know their zone."""
    return _array(
        _TIMESTAMPTZ, [_microseconds(8, (value - _EPOCH) // _MICROSECOND) for value in values]
    )


def _packed_text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    data = value.encode()
    return _length(len(data)) + data


def _array(element: int, packed: Sequence[bytes], *, has_null: bool = False) -> PackedArray:
    header = _header(1, has_null, element, len(packed), 1)
    return PackedArray(b"".join((header, *packed)))
