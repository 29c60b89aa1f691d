"""What an invoice comes to. Pure: lines in, amounts out, no database."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from shared_apps.core import money
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.errors import AmountTooLargeError, LineInvalidError

# Amounts have room for every currency of ISO 4217, whose smallest coin has up to 4 decimals.
AMOUNT = money.Digits(whole=10, places=4)
QUANTITY = money.Digits(whole=10, places=4)
UNIT_PRICE = money.Digits(whole=10, places=6)
TAX_RATE = money.Digits(whole=1, places=4)


@dataclass(frozen=True, slots=True)
class Line:
    """One line as somebody wants it on an invoice. A credit note has negative quantities.

    Raises:
        TypeError: a float; see core.money.
        LineInvalidError: a number is out of range, or has digits that a column would cut off.
    """

    description: str
    quantity: Decimal
    unit_price: Decimal
    tax_rate: Decimal

    def __post_init__(self) -> None:
        if not self.description.strip():
            raise LineInvalidError(description=["This may not be blank."])
        quantity, unit_price, tax_rate = map(
            money.exact, (self.quantity, self.unit_price, self.tax_rate)
        )
        acceptable = {
            "quantity": quantity != 0 and QUANTITY.hold(quantity),
            # A negative price would be a discount in disguise (EN 16931, BR-27).
            "unit_price": unit_price >= 0 and UNIT_PRICE.hold(unit_price),
            "tax_rate": 0 <= tax_rate <= 1 and TAX_RATE.hold(tax_rate),
        }
        wrong = {
            name: ["This number is out of range."] for name in acceptable if not acceptable[name]
        }
        if wrong:
            raise LineInvalidError(None, **wrong)


class Taxable(Protocol):
    """A `Line`, or an item that is stored already."""

    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def tax_rate(self) -> Decimal: ...


@dataclass(frozen=True, slots=True)
class LineAmounts:
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    lines: tuple[LineAmounts, ...]
    net: Decimal
    tax: Decimal
    amount: Decimal


def compute_totals(lines: Sequence[Taxable], *, currency: str, rounding: VatRounding) -> Totals:
    """Net, VAT and sum of each line and of the whole.

    A line's net is rounded to whole coins always (EN 16931, BR-DEC-23); `rounding` decides on VAT.

    Raises:
        AmountTooLargeError: an amount has more than `AMOUNT.whole` digits before the point.
    """
    nets = [
        money.round_amount(money.multiply(line.quantity, line.unit_price), currency=currency)
        for line in lines
    ]
    match rounding:
        case VatRounding.LINE:
            taxes = [
                money.round_amount(money.multiply(net, line.tax_rate), currency=currency)
                for net, line in zip(nets, lines, strict=True)
            ]
        case VatRounding.DOCUMENT:
            taxes = _taxes_per_rate(nets, [line.tax_rate for line in lines], currency=currency)
    net, tax = money.add_up(nets), money.add_up(taxes)
    amount = money.add_up([net, tax])
    # Lines of one invoice have one sign, so nothing is larger than the sum.
    if not AMOUNT.hold(amount):
        raise AmountTooLargeError(amount=[f"Must be less than {10**AMOUNT.whole}."])
    return Totals(
        lines=tuple(LineAmounts(*pair) for pair in zip(nets, taxes, strict=True)),
        net=net,
        tax=tax,
        amount=amount,
    )


def _taxes_per_rate(
    nets: Sequence[Decimal], rates: Sequence[Decimal], *, currency: str
) -> list[Decimal]:
    """VAT rounded once per rate, then spread over its lines so that they add up to it."""
    taxes = [Decimal(0)] * len(nets)
    lines_of_rate: dict[Decimal, list[int]] = defaultdict(list)
    for index, rate in enumerate(rates):
        lines_of_rate[rate].append(index)
    for rate, indexes in lines_of_rate.items():
        base = money.add_up(nets[index] for index in indexes)
        tax = money.round_amount(money.multiply(base, rate), currency=currency)
        if not tax:
            continue
        weights = [nets[index].copy_abs() for index in indexes]
        shares = money.allocate(tax, weights, currency=currency)
        for index, share in zip(indexes, shares, strict=True):
            taxes[index] = share
    return taxes
