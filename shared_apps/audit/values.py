"""A field's value in Python as the trail has it: what the trigger's JSON is when it is read back.

Numbers with a point are strings there, because 10.50 is not 10.5 (`images.load_values`).
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db import models
from psycopg.types.range import Range

_DAY = timedelta(days=1)


def as_recorded(field: "models.Field[Any, Any]", value: Any) -> Any:
    """As `new_values` and `old_values` of an entry say it."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return None
    convert = _BY_TYPE.get(field.get_internal_type())
    if convert is not None:
        return convert(field, value)
    if isinstance(value, Range):
        return _range(value)
    if isinstance(value, list | tuple) and (base := getattr(field, "base_field", None)) is not None:
        return [as_recorded(base, each) for each in value]
    return value if isinstance(value, bool | int) else str(value)


def _plain(text: str) -> int | str:
    """A number as PostgreSQL's numeric writes it, which knows no exponents."""
    number = Decimal(text)
    if not number.is_finite():
        return {"NaN": "NaN", "Infinity": "Infinity", "-Infinity": "-Infinity"}[str(number)]
    written = format(number, "f")
    return written if "." in written else int(written)


def _decimal(field: "models.Field[Any, Any]", value: Any) -> int | str:
    number = Decimal(value)
    places = getattr(field, "decimal_places", None)
    if places is not None and number.is_finite():
        # As the column rounds: half away from zero, not to the even digit.
        number = number.quantize(Decimal(1).scaleb(-places), rounding="ROUND_HALF_UP")
    return _plain(str(number))


def _float(field: "models.Field[Any, Any]", value: Any) -> int | str:
    text = str(value)
    return _plain(
        {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(text, text.removesuffix(".0"))
    )


def _datetime(field: "models.Field[Any, Any]", value: datetime) -> str:
    return _short(value.astimezone(UTC).isoformat())


def _short(text: str) -> str:
    """Without the zeros that end a fraction of a second."""
    head, point, tail = text.partition(".")
    if not point:
        return text
    fraction, rest = tail[:6].rstrip("0"), tail[6:]
    return f"{head}.{fraction}{rest}" if fraction else head + rest


def _date(field: "models.Field[Any, Any]", value: date) -> str:
    return value.isoformat()


def _time(field: "models.Field[Any, Any]", value: time) -> str:
    return _short(value.isoformat())


def _duration(field: "models.Field[Any, Any]", value: timedelta) -> str:
    days, rest = value.days, value - timedelta(days=value.days)
    parts = [f"{days} day{'' if days == 1 else 's'}"] if days else []
    if rest or not days:
        clock = _short((datetime(1, 1, 1, tzinfo=UTC) + rest).time().isoformat())
        parts.append(f"{'+' if days < 0 else ''}{clock}")
    return " ".join(parts)


def _bytes(field: "models.Field[Any, Any]", value: bytes | bytearray | memoryview) -> str:
    return f"\\x{bytes(value).hex()}"


def _file(field: "models.Field[Any, Any]", value: Any) -> str:
    return str(getattr(value, "name", value) or "")


def _json(field: "models.Field[Any, Any]", value: Any) -> Any:
    text = json.dumps(value, cls=getattr(field, "encoder", None))
    return json.loads(text, parse_float=_plain)


def _range(value: "Range[Any]") -> str:
    if value.isempty:
        return "empty"
    low, high, bounds = value.lower, value.upper, value.bounds
    # Of whole numbers and days PostgreSQL keeps the form that includes the lower bound alone.
    for step in (1,) if isinstance(low or high, int) else (_DAY,) if _is_day(low or high) else ():
        low = low + step if low is not None and bounds[0] == "(" else low
        high = high + step if high is not None and bounds[1] == "]" else high
        bounds = "[)"
    opening = "(" if low is None else bounds[0]
    closing = ")" if high is None else bounds[1]
    return f"{opening}{_bound(low)},{_bound(high)}{closing}"


def _is_day(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _bound(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        text = _short(value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" "))
        return f'"{text}+00"'
    return value.isoformat() if isinstance(value, date) else str(value)


_BY_TYPE: Mapping[str, Callable[["models.Field[Any, Any]", Any], Any]] = {
    "DecimalField": _decimal,
    "FloatField": _float,
    "DateTimeField": _datetime,
    "DateField": _date,
    "TimeField": _time,
    "DurationField": _duration,
    "BinaryField": _bytes,
    "FileField": _file,
    "ImageField": _file,
    "JSONField": _json,
}
