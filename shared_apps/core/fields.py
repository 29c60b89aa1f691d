"""Fields that take JSON strings only; the framework's own CharField also takes numbers."""

from typing import Any

from rest_framework import serializers


class TextField(serializers.CharField):
    """Text for people: trimmed, not blank unless asked for, no control characters."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OpaqueField(serializers.Field[str, Any, str, Any]):
    """A string that is passed on exactly as sent, blanks and all: a password, a token."""

    default_error_messages = {"invalid": "Not a valid string."}  # noqa: RUF012 (the framework's shape)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value
