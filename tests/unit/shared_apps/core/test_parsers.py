"""JSON that can be read in two ways, or that is none."""

from io import BytesIO
from typing import Any

import pytest
from rest_framework.exceptions import ParseError

from shared_apps.core.parsers import BoundedJSONParser


def _parse(raw: bytes) -> Any:
    return BoundedJSONParser().parse(BytesIO(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"amount": "1", "amount": "2"}',
        b'{"items": [{"amount": "1", "\\u0061mount": "2"}]}',
        b"NaN",
        b"[Infinity]",
        b'{"amount": -Infinity}',
        b"1" * 5000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"name": "\xff"}',
        b'{"name": ',
        b'{"name": 1} 2',
        b"",
    ],
)
def test_it_is_refused(raw: bytes) -> None:
    with pytest.raises(ParseError):
        _parse(raw)


def test_the_rest_is_read_as_it_is() -> None:
    assert _parse(b'{"a": [{"b": 1}, {"b": 2}], "c": "\\u00e4"}') == {
        "a": [{"b": 1}, {"b": 2}],
        "c": "ä",
    }
