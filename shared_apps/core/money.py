"""Exact amounts of money. Pure: no database, no settings, no clock.

Three rules hold everywhere. A value is read from text or a whole number, never from a float, which
has lost the cents before it arrives. Products and sums are exact. Rounding happens only in
`round_to`, with a named mode: the default of Python's decimal context (half to even, 28 digits) is
nobody's law of taxes.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from fractions import Fraction

ROUNDING_MODES = frozenset(
    {
        ROUND_CEILING,
        ROUND_DOWN,
        ROUND_FLOOR,
        ROUND_HALF_DOWN,
        ROUND_HALF_EVEN,
        ROUND_HALF_UP,
        ROUND_UP,
    }
)

# Far beyond any product of two columns, and a limit on what a sender can make us multiply.
_MOST_DIGITS = 40
_PRECISION = 4 * _MOST_DIGITS
_EXACT = Context(prec=_PRECISION, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
_WIDE = Context(prec=_PRECISION, traps=[InvalidOperation, DivisionByZero, Overflow])

_WRITTEN = re.compile(rf"-?[0-9]{{1,{_MOST_DIGITS}}}(?:\.[0-9]{{1,{_MOST_DIGITS}}})?", re.ASCII)

# ISO 4217, list one (active codes, without precious metals, bond units and test codes), minor units
# as published there. Whatever `_CODES_BY_EXPONENT` does not name has two decimals.
_LIST_ONE = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP
GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR
KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN
MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD
SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX
USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG
"""
_CODES_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = dict.fromkeys(_LIST_ONE.split(), 2) | {
    code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}


@dataclass(frozen=True, slots=True)
class Digits:
    """How many digits a value may have before and after its point."""

    whole: int
    places: int

    @property
    def total(self) -> int:
        return self.whole + self.places

    def hold(self, value: Decimal) -> bool:
        """Whether `value` fits as written; a database would cut the rest off in silence."""
        return value.copy_abs() < 10**self.whole and places_of(value) <= self.places


def exact(value: str | int | Decimal) -> Decimal:
    """The number that was written, all of it.

    Raises:
        TypeError: a float (or a bool, or anything else that is no number).
        ValueError: text that is no plain decimal number: blank, signed with +, an exponent, NaN.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise TypeError(
            f"money is read from text or a whole number, not from {type(value).__name__}"
        )
    if isinstance(value, str) and not _WRITTEN.fullmatch(value):
        raise ValueError("not a plain decimal number")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not a finite number")
    if abs(number.adjusted()) >= _MOST_DIGITS or places_of(number) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return number if number else number.copy_abs()


def places_of(value: Decimal) -> int:
    """The decimals that are written, trailing zeros included."""
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError("not a finite number")
    return max(0, -exponent)


def is_currency(code: str) -> bool:
    return code in _EXPONENTS


def exponent_of(currency: str) -> int:
    """The decimals of a currency's smallest unit: EUR 2, JPY 0, BHD 3.

    Raises:
        ValueError: ISO 4217 has no such code.
    """
    if currency not in _EXPONENTS:
        raise ValueError(f"{currency!r} is not a currency of ISO 4217")
    return _EXPONENTS[currency]


def round_to(value: Decimal, *, places: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    """`value` with exactly `places` decimals: the one place in the product that rounds."""
    if rounding not in ROUNDING_MODES:
        raise ValueError(f"{rounding!r} is not a rounding mode")
    rounded = exact(value).quantize(_unit(places), rounding=rounding, context=_WIDE)
    return rounded if rounded else rounded.copy_abs()


def round_amount(value: Decimal, *, currency: str, rounding: str = ROUND_HALF_UP) -> Decimal:
    """`value` in whole units of the currency's smallest coin."""
    return round_to(value, places=exponent_of(currency), rounding=rounding)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The exact product, however many digits it has."""
    return _EXACT.multiply(exact(left), exact(right))


def add_up(values: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    result = Decimal(0)
    for value in values:
        result = _EXACT.add(result, exact(value))
    return result


def allocate(total: Decimal, weights: Sequence[Decimal | int], *, currency: str) -> list[Decimal]:
    """Parts of `total` in proportion to `weights`, in whole coins, that add up to it again.

    The coins that are left after rounding down go to the largest remainders, the earlier part
    first among equals: 100.00 in 3 gives 33.34, 33.33, 33.33. A negative total is split as its
    positive mirror image.

    Raises:
        ValueError: `total` has a fraction of a coin, a weight is negative, or all are zero.
    """
    places = exponent_of(currency)
    coins = _coins(exact(total), places)
    shares = [Fraction(exact(weight)) for weight in weights]
    whole = sum(shares, Fraction(0))
    if any(share < 0 for share in shares) or whole == 0:
        raise ValueError("weights are zero or more, and not all zero")
    quotas = [abs(coins) * share / whole for share in shares]
    parts = [quota.numerator // quota.denominator for quota in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda i: (parts[i] - quotas[i], i))
    for index in by_remainder[: abs(coins) - sum(parts)]:
        parts[index] += 1
    sign = -1 if coins < 0 else 1
    return [_amount(sign * part, places) for part in parts]


def format_amount(value: Decimal, *, currency: str) -> str:
    """An amount as people write it in this currency: `10.50`, `10` (JPY), `10.500` (BHD).

    Raises:
        ValueError: there is a fraction of a coin; formatting must not round in secret.
    """
    return format_number(value, at_least=exponent_of(currency), at_most=exponent_of(currency))


def format_number(value: Decimal, *, at_least: int, at_most: int) -> str:
    """Plain notation without zeros at the end beyond `at_least` decimals.

    Raises:
        ValueError: more than `at_most` decimals would be needed.
    """
    number = exact(value)
    places = max(at_least, places_of(number.normalize(_WIDE)))
    if places > at_most:
        raise ValueError(f"{number} has more than {at_most} decimals")
    return f"{round_to(number, places=places):f}"


def _unit(places: int) -> Decimal:
    return Decimal((0, (1,), -places))


def _coins(amount: Decimal, places: int) -> int:
    coins = Fraction(amount) * Fraction(10) ** places
    if coins.denominator != 1:
        raise ValueError(f"{amount} has a fraction of the smallest coin")
    return coins.numerator


def _amount(coins: int, places: int) -> Decimal:
    return _EXACT.multiply(Decimal(coins), _unit(places))
