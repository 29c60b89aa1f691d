"""Equal questions have one name, different ones never; values come back as what they were."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from itertools import combinations
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared_apps.core.caching import values
from shared_apps.core.caching.names import canonical, digest

ID = uuid4()


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": "x"}, {"b": "x", "a": 1}),
        ({"a": 1}, {"a": 1, "b": "", "c": None, "d": frozenset()}),
        ({"n": Decimal("1.50")}, {"n": Decimal("1.5")}),
        ({"n": Decimal("100")}, {"n": Decimal("1E+2")}),
        ({"n": Decimal("-0.00")}, {"n": Decimal("0")}),
        ({"v": ID}, {"v": UUID(str(ID).upper())}),
        ({"c": Colour.RED}, {"c": "red"}),
        (
            {"t": datetime(2026, 11, 1, 1, tzinfo=timezone(timedelta(hours=1)))},
            {"t": datetime(2026, 11, 1, tzinfo=UTC)},
        ),
        ({"s": frozenset({"b", "a"})}, {"s": frozenset({"a", "b"})}),
    ],
)
def test_the_same_question_in_another_form(one: Any, other: Any) -> None:
    assert digest(canonical(one)) == digest(canonical(other))


def test_different_questions() -> None:
    asked: list[dict[str, object]] = [
        {}, {"a": 1}, {"a": "1"}, {"a": True}, {"a": False}, {"a": 0}, {"b": 1}, {"a": 1, "b": 1},
        {"a": Decimal(1)}, {"a": ["1"]}, {"a": frozenset({"1"})}, {"a": ["x", "y"]}, {"a": ["y", "x"]},
        {"a": " 1"}, {"a": "\u00e9"}, {"a": "e\u0301"}, {"a": ID}, {"a": str(ID)}, {"a": date(2026, 1, 1)},
        {"a": "2026-01-01"}, {"a": {"b": 1}}, {"a": Decimal("0.10000000000000000000000000000000001")},
        {"a": Decimal("0.1")},
    ]  # fmt: skip
    names = [digest(canonical(filters)) for filters in asked]
    pairs = combinations(range(len(names)), 2)
    assert [(asked[i], asked[j]) for i, j in pairs if names[i] == names[j]] == []


def test_values_come_back_as_they_were() -> None:
    value = {
        "amount": Decimal("12345678901234567890.10"),
        "zero": Decimal("-0.00"),
        "day": date(2026, 2, 28),
        "at": datetime(2026, 11, 22, 6, 45, 1, 5, tzinfo=UTC),
        "time": time(23, 59),
        "id": ID,
        "many": [1, 2**70, True, None, "ä\u2028\x00", {"$": "decimal", "value": "no number"}],
        "$": "uuid",
    }
    found = values.load(values.dump(value))
    assert found == value
    assert str(found["amount"]) == "12345678901234567890.10"
    assert str(found["zero"]) == "-0.00"
    assert [type(item) for item in found["many"]] == [type(item) for item in value["many"]]  # type: ignore[attr-defined]  # a list


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, object(), b"bytes", [b"x"]])
def test_what_would_not_come_back_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        values.dump(value)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"\x80\x04K\x01.", b'{"$":"os.system","value":"x"}', b'{"$":"uuid"}',
     b'{"$":"decimal","value":"x"}', b'{"$":"date","value":5}', b"\xff"],
)  # fmt: skip
def test_what_was_not_written_here_is_no_value(text: bytes) -> None:
    with pytest.raises(ValueError):
        values.load(text)
