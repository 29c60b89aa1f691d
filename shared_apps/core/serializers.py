"""What every app's serializers share: refusing what was not asked for."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from shared_apps.core import money

_UNKNOWN = "Unknown field."
_READ_ONLY = "This field is read-only."
_REQUIRED = "This field is required."
_MISTAKEN = "This field does not take {value}."
_NO_DECIMAL = (
    'Send a plain decimal number as a string, such as "10.50": not every JSON number is exact.'
)


class InputSerializer(serializers.Serializer[Any]):
    """A body whose unknown fields are errors: a misspelt optional field must not be lost in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in data if name not in self.fields)
            if unknown:
                raise serializers.ValidationError(
                    {name: [_UNKNOWN] for name in unknown}, code="unknown_field"
                )
        return super().to_internal_value(data)


def require_strict(serializer: Any, *, is_whole: bool) -> None:
    """The same of any serializer, for the rows inside of rows too; `is_whole`: as PUT sends it.

    Fields of the REST framework guess what was meant (`7` for a text, `"yes"` for true, `10.1` for a decimal
    that it no longer is); here they take what the document says.

    Raises:
        ValidationError: a field is unknown, read-only or of another JSON type, or `is_whole` and one is missing.
    """
    errors = _wrong_in(serializer, serializer.initial_data)
    if is_whole and not errors:
        errors = _missing(serializer)
    if errors:
        raise serializers.ValidationError(errors, code="unknown_field")


def _wrong_in(serializer: Any, data: Any) -> dict[str, Any]:
    if isinstance(serializer, serializers.ListSerializer | serializers.ListField):
        rows = enumerate(data) if isinstance(data, list) else ()
        found = {str(place): _wrong_with(serializer.child, row) for place, row in rows}
        return {place: errors for place, errors in found.items() if errors}
    if not isinstance(serializer, serializers.Serializer) or not isinstance(data, Mapping):
        return {}  # not what it takes, as it will say itself
    errors: dict[str, Any] = {}
    for name in sorted(data, key=str):
        field = serializer.fields.get(name)
        if field is None or isinstance(field, serializers.HiddenField):
            errors[str(name)] = [_UNKNOWN]
        elif field.read_only:
            errors[str(name)] = [_READ_ONLY]
        elif wrong := _wrong_with(field, data[name]):
            errors[str(name)] = wrong
    return errors


def _wrong_with(field: Any, value: Any) -> Any:
    return _mistaken(field, value) or _wrong_in(field, value)


def _mistaken(field: Any, value: Any) -> list[str]:
    """What is said of a value of another JSON type; whether null is allowed the field says itself."""
    match field:
        case _ if value is None:
            is_right = True
        case serializers.CharField() | serializers.UUIDField():
            is_right = isinstance(value, str)
        case serializers.BooleanField():
            is_right = isinstance(value, bool)
        case serializers.IntegerField() | serializers.FloatField():
            is_right = isinstance(value, int | float) and not isinstance(value, bool)
        case serializers.DecimalField():
            return _inexact(value)
        case _:
            is_right = True
    return [] if is_right else [_MISTAKEN.format(value=_json_type(value))]


def _inexact(value: Any) -> list[str]:
    try:
        if isinstance(value, str):
            money.exact(value)
            return []
    except ValueError:
        pass
    return [_NO_DECIMAL]


def _json_type(value: Any) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _missing(serializer: Any) -> dict[str, Any]:
    if not isinstance(serializer, serializers.Serializer):
        return {}
    data = serializer.initial_data
    return {
        name: [_REQUIRED]
        for name, field in serializer.fields.items()
        if not field.read_only
        and not isinstance(field, serializers.HiddenField)
        and isinstance(data, Mapping)
        and name not in data
    }
