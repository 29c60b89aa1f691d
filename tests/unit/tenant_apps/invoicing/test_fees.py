"""Fees of payment providers: percent and fixed, limits, rounding, division."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_apps.core import money
from tenant_apps.invoicing.fees import FeeRule, compute_fee, share_fee

CARD = FeeRule(
    currency="EUR",
    rate=Decimal("0.029"),
    fixed=Decimal("0.30"),
    minimum=Decimal("0.50"),
    maximum=Decimal("25.00"),
)


@pytest.mark.parametrize(
    ("amount", "fee"),
    [
        ("100.00", "3.20"),
        ("1.00", "0.50"),
        ("0.00", "0.50"),
        ("5000.00", "25.00"),
        ("114.94", "3.63"),
    ],
)
def test_a_fee_is_a_share_and_a_fixed_sum_within_limits(amount: str, fee: str) -> None:
    assert str(compute_fee(Decimal(amount), rule=CARD)) == fee


@pytest.mark.parametrize(
    ("rounding", "fee"), [(None, "3.33"), (ROUND_UP, "3.34"), (ROUND_DOWN, "3.33")]
)
def test_a_fee_is_rounded_as_the_rule_says(rounding: str | None, fee: str) -> None:
    options = {"rounding": rounding} if rounding else {}
    rule = FeeRule(currency="EUR", rate=Decimal("0.03333333"), **options)

    assert str(compute_fee(Decimal("100.00"), rule=rule)) == fee


def test_a_fee_has_the_digits_of_its_currency() -> None:
    assert (
        str(compute_fee(Decimal(1000), rule=FeeRule(currency="JPY", rate=Decimal("0.0336"))))
        == "34"
    )
    assert (
        str(compute_fee(Decimal(1), rule=FeeRule(currency="BHD", fixed=Decimal("0.0125"))))
        == "0.013"
    )


def test_a_rule_refuses_floats_and_nonsense() -> None:
    with pytest.raises(TypeError):
        FeeRule(currency="EUR", rate=0.029)  # type: ignore[arg-type]
    for options in (
        {"currency": "XXX"},
        {"currency": "EUR", "rate": Decimal("-0.01")},
        {"currency": "EUR", "minimum": Decimal(2), "maximum": Decimal(1)},
        {"currency": "JPY", "minimum": Decimal("0.5")},
        {"currency": "EUR", "rounding": "SOMEHOW"},
    ):
        with pytest.raises(ValueError):
            FeeRule(**options)  # type: ignore[arg-type]


def test_there_is_no_fee_on_a_negative_amount() -> None:
    with pytest.raises(ValueError):
        compute_fee(Decimal("-1.00"), rule=CARD)


def test_a_fee_is_shared_without_losing_a_coin() -> None:
    rule = FeeRule(currency="EUR", fixed=Decimal("100.00"))

    thirds = [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]
    assert share_fee([Decimal(5)] * 3, rule=rule) == thirds
    assert share_fee([Decimal(0)] * 3, rule=rule) == thirds


@settings(max_examples=500, deadline=None)
@given(
    amounts=st.lists(st.decimals(min_value=0, max_value=10**6, places=2), min_size=1, max_size=10)
)
def test_shares_of_a_fee_add_up_to_it(amounts: list[Decimal]) -> None:
    shares = share_fee(amounts, rule=CARD)

    assert money.add_up(shares) == compute_fee(money.add_up(amounts), rule=CARD)
