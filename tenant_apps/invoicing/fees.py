"""What a payment provider charges for an amount: a share of it, plus a fixed sum, within limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from shared_apps.core import money


@dataclass(frozen=True, slots=True)
class FeeRule:
    """`rate` is a fraction (0.029 is 2.9 %); the other amounts are in `currency`.

    Raises:
        TypeError: a float; see core.money.
        ValueError: a negative number, limits that cross, or no such currency or rounding mode.
    """

    currency: str
    rate: Decimal = Decimal(0)
    fixed: Decimal = Decimal(0)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    rounding: str = ROUND_HALF_UP

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.minimum, self.maximum) if limit is not None]
        if any(money.exact(number) < 0 for number in (self.rate, self.fixed, *limits)):
            raise ValueError("the parts of a fee are zero or more")
        if len(limits) == 2 and limits[0] > limits[1]:
            raise ValueError("the least fee is above the greatest")
        for limit in limits:
            if money.places_of(limit) > money.exponent_of(self.currency):
                raise ValueError(f"{limit} has a fraction of the smallest coin of {self.currency}")
        money.round_amount(self.rate, currency=self.currency, rounding=self.rounding)


def compute_fee(amount: Decimal, *, rule: FeeRule) -> Decimal:
    """The fee on `amount`, rounded before the limits are applied, which are whole coins themselves.

    Raises:
        ValueError: a negative amount; what happens to the fee of a refund is the provider's rule.
    """
    if money.exact(amount) < 0:
        raise ValueError("there is no fee on a negative amount")
    share = money.multiply(amount, rule.rate)
    fee = money.round_amount(
        money.add_up([share, rule.fixed]), currency=rule.currency, rounding=rule.rounding
    )
    if rule.minimum is not None:
        fee = max(fee, rule.minimum)
    if rule.maximum is not None:
        fee = min(fee, rule.maximum)
    return money.round_amount(fee, currency=rule.currency)


def share_fee(amounts: Sequence[Decimal], *, rule: FeeRule) -> list[Decimal]:
    """The fee on the sum of `amounts`, divided among them without losing a coin."""
    fee = compute_fee(money.add_up(amounts), rule=rule)
    # Nothing but zeros still has a fixed fee to bear: equally.
    weights: Sequence[Decimal | int] = amounts if any(amounts) else [1] * len(amounts)
    return money.allocate(fee, weights, currency=rule.currency)
