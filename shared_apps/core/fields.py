"""Fields that every app's serializers share: strict texts, exact numbers, currencies, orderings."""

from collections.abc import Iterable
from decimal import Decimal
from operator import attrgetter
from typing import Any

from rest_framework import serializers

from shared_apps.core import money


class TextField(serializers.CharField):
    """Text for people: trimmed, not blank unless asked for, no control characters."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class OpaqueField(serializers.Field[str, Any, str, Any]):
    """A string that is passed on exactly as sent, blanks and all: a password, a token."""

    default_error_messages = {"invalid": "Not a valid string."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        return value


class ExactDecimalField(serializers.Field[Decimal, Any, str, Decimal]):
    """A number sent as a string (`"10.50"`) or a whole JSON number; a JSON float is refused.

    The parser has already turned `10.1` into the nearest binary fraction, so what was meant is lost.
    """

    default_error_messages = {
        "float": 'Send a string such as "10.50": a JSON number with a fraction is not exact.',
        "type": 'Send a number as a string, such as "10.50".',
        "invalid": 'A plain decimal number such as "10.50" is required.',
        "digits": "At most {whole} digits before the point and {places} after it.",
        "minimum": "Must be at least {limit}.",
        "above": "Must be greater than {limit}.",
        "maximum": "Must be at most {limit}.",
    }

    def __init__(
        self,
        *,
        digits: money.Digits,
        minimum: Decimal | None = None,
        above: Decimal | None = None,
        maximum: Decimal | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.digits = digits
        self.minimum = minimum
        self.above = above
        self.maximum = maximum

    def to_internal_value(self, data: Any) -> Decimal:
        if isinstance(data, float):
            self.fail("float")
        try:
            value = money.exact(data)
        except TypeError:
            self.fail("type")
        except ValueError:
            self.fail("invalid")
        if not self.digits.hold(value):
            self.fail("digits", whole=self.digits.whole, places=self.digits.places)
        if self.minimum is not None and value < self.minimum:
            self.fail("minimum", limit=self.minimum)
        if self.above is not None and value <= self.above:
            self.fail("above", limit=self.above)
        if self.maximum is not None and value > self.maximum:
            self.fail("maximum", limit=self.maximum)
        return value

    def to_representation(self, value: Decimal) -> str:
        return money.format_number(value, at_least=0, at_most=self.digits.places)


class AmountField(serializers.Field[Any, Any, str, Any]):
    """An amount of the row in the digits of its currency, never as a JSON number.

    `currency` is the path from the row to the code. `places` allows for more decimals than the
    smallest coin has, where a price needs them.
    """

    def __init__(
        self, *, currency: str = "currency", places: int | None = None, **options: Any
    ) -> None:
        super().__init__(read_only=True, **options)
        self.currency_of = attrgetter(currency)
        self.places = places

    def get_attribute(self, instance: Any) -> tuple[Decimal, str]:
        amount: Decimal = super().get_attribute(instance)  # type: ignore[assignment]  # columns are not null
        return amount, self.currency_of(instance)

    def to_representation(self, value: tuple[Decimal, str]) -> str:
        amount, currency = value
        least = money.exponent_of(currency)
        return money.format_number(amount, at_least=least, at_most=max(least, self.places or 0))


class MoneyField(AmountField):
    """The same with its currency beside it: `{"amount": "10.50", "currency": "EUR"}`."""

    def to_representation(self, value: tuple[Decimal, str]) -> dict[str, str]:  # type: ignore[override]  # two texts
        return {"amount": super().to_representation(value), "currency": value[1]}


class CurrencyField(serializers.CharField):
    """An ISO 4217 code in capital letters."""

    default_error_messages = {"currency": "{code} is not a currency of ISO 4217."}

    def to_internal_value(self, data: Any) -> str:
        code = super().to_internal_value(data)
        if not money.is_currency(code):
            self.fail("currency", code=code[:8])
        return code


class OrderingField(serializers.CharField):
    """`?ordering=-created_at,name`: names from a closed list, each once, `-` for descending."""

    default_error_messages = {"ordering": "Order by {names}, with - before a name for descending."}

    def __init__(self, *, names: Iterable[str], **options: Any) -> None:
        super().__init__(**options)
        self.names = tuple(names)

    def to_internal_value(self, data: Any) -> tuple[str, ...]:  # type: ignore[override]  # several names
        terms = tuple(term.strip() for term in super().to_internal_value(data).split(","))
        plain = [term.removeprefix("-") for term in terms]
        if not set(plain) <= set(self.names) or len(set(plain)) < len(plain):
            self.fail("ordering", names=", ".join(self.names))
        return terms
