"""What every app's serializers share: refusing what was not asked for."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

_UNKNOWN = "Unknown field."
_READ_ONLY = "This field is read-only."
_REQUIRED = "This field is required."


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

    Raises:
        ValidationError: a field is unknown or read-only, or `is_whole` and one is missing.
    """
    errors = _surplus(serializer, serializer.initial_data)
    if is_whole and not errors:
        errors = _missing(serializer)
    if errors:
        raise serializers.ValidationError(errors, code="unknown_field")


def _surplus(serializer: Any, data: Any) -> dict[str, Any]:
    if isinstance(serializer, serializers.ListSerializer):
        rows = enumerate(data) if isinstance(data, list) else ()
        found = {str(place): _surplus(serializer.child, row) for place, row in rows}
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
        elif inner := _surplus(field, data[name]):
            errors[str(name)] = inner
    return errors


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
