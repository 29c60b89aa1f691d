"""Arrays that are packed here are those that psycopg would send."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings

from shared_apps.audit import arrays
from shared_apps.audit.arrays import PackedArray
from tests.installation import Installation

_EAST = timezone(timedelta(hours=5, minutes=45))
_TIMES = [
    datetime(2000, 1, 1, tzinfo=UTC),
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 11, 21, 5, 45, 0, 123456, tzinfo=_EAST),
]
_UUIDS = [UUID(int=0), UUID(int=2**128 - 1), uuid4()]
_TEXTS = ["", "a", None, "a", 'quoted " \\ {,}', "é 日 😀", "NULL", "\n", "x" * 70_000, None]


@pytest.mark.parametrize(
    ("kind", "packed", "values"),
    [
        ("text", arrays.texts(_TEXTS), _TEXTS),
        ("text", arrays.texts(["a", "b"]), ["a", "b"]),
        ("text", arrays.texts([]), []),
        ("uuid", arrays.uuids(_UUIDS), _UUIDS),
        ("timestamptz", arrays.timestamps(_TIMES), _TIMES),
    ],
    ids=["texts", "no null", "none", "uuids", "timestamps"],
)
def test_an_array_arrives_as_it_was(
    installation: Installation, kind: str, packed: PackedArray, values: list[object]
) -> None:
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as connection:
        row = connection.execute(
            f"SELECT %b::{kind}[], %s::{kind}[] = %b::{kind}[]",  # type: ignore[arg-type]
            [packed, values, packed],
        ).fetchone()

    assert row == (values, True)
