"""How the fields of `core/fields.py` look in the document. Importing it makes them known."""

from decimal import Decimal
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension

Schema = dict[str, Any]

# Digits, and a point between digits: what `core/money.py` reads as exact.
_DECIMAL = r"-?[0-9]+(\.[0-9]+)?"
_AMOUNT = {"type": "string", "format": "decimal", "pattern": f"^{_DECIMAL}$", "examples": ["10.50"]}

_CURRENCY = {
    "type": "string",
    "pattern": "^[A-Z]{3}$",
    "description": "A code of ISO 4217.",
    "examples": ["EUR"],
}


class OpaqueFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.OpaqueField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {"type": "string"}


class AmountFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.AmountField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return dict(_AMOUNT)


class MoneyFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.MoneyField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return {
            "type": "object",
            "required": ["amount", "currency"],
            "properties": {"amount": dict(_AMOUNT), "currency": dict(_CURRENCY)},
        }


class ExactDecimalFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.ExactDecimalField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        if direction == "response":
            return dict(_AMOUNT)
        field = self.target
        whole, places = field.digits.whole, field.digits.places
        lowest = field.above if field.above is not None else field.minimum
        sign = "" if lowest is not None and lowest >= 0 else "-?"
        integer: Schema = {"type": "integer", "maximum": 10**whole - 1}
        if field.above is not None:
            integer["exclusiveMinimum"] = int(field.above)
        elif field.minimum is not None:
            integer["minimum"] = int(field.minimum)
        if field.maximum is not None:
            integer["maximum"] = int(field.maximum)
        pattern = f"^{sign}[0-9]{{1,{whole}}}(\\.[0-9]{{1,{places}}})?$"
        if field.maximum == Decimal(1) and sign == "":
            pattern = f"^(0(\\.[0-9]{{1,{places}}})?|1)$"
        if field.above == Decimal(0):
            pattern = f"^[1-9][0-9]{{0,{whole - 1}}}(\\.[0-9]{{1,{places}}})?$"
        text = {"type": "string", "format": "decimal", "pattern": pattern, "examples": ["0.19"]}
        return {"oneOf": [text, integer]}


class CurrencyFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.CurrencyField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        return dict(_CURRENCY)


class OrderingFieldExtension(OpenApiSerializerFieldExtension):
    target_class = "shared_apps.core.fields.OrderingField"

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        names = "|".join(self.target.names)
        known = ", ".join(f"`{name}`" for name in self.target.names)
        return {
            "type": "string",
            "pattern": f"^-?({names})(,-?({names}))*$",
            "description": f"Of {known}, each once; `-` before a name for descending.",
        }


class TextFieldExtension(OpenApiSerializerFieldExtension):
    """Trimmed, and then not blank; no NUL, which no text of PostgreSQL can hold."""

    target_class = "shared_apps.core.fields.TextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: str) -> Schema:
        if direction == "response":
            return {"type": "string"}
        if self.target.allow_blank:
            return {"type": "string", "pattern": r"^[^\u0000]*$"}
        return {"type": "string", "minLength": 1, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
