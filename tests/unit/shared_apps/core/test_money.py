"""Exact amounts: what is read, how it is rounded, and that nothing is lost when it is divided."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_apps.core import money


@pytest.mark.parametrize("value", [10.5, 0.1, float("nan"), True, False, None, b"1", [1]])
def test_exact_refuses_what_is_no_number_or_not_exact(value: object) -> None:
    with pytest.raises(TypeError):
        money.exact(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    ["", " ", " 1", "1 ", "+1", "1e5", "1E5", "NaN", "sNaN", "Infinity", "-inf", "1_000", "1,5",
     ".5", "5.", "0x10", "١", "１", "1\n", "--1", "9" * 41, "0." + "1" * 41],
)  # fmt: skip
def test_exact_refuses_text_that_is_no_plain_number(text: str) -> None:
    with pytest.raises(ValueError):
        money.exact(text)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+50"), 10**50])
def test_exact_refuses_numbers_that_are_not_finite_or_far_too_long(value: Decimal | int) -> None:
    with pytest.raises(ValueError):
        money.exact(value)


def test_exact_keeps_every_digit() -> None:
    assert str(money.exact("12345678901234567890.123456789012345")) == (
        "12345678901234567890.123456789012345"
    )
    assert money.exact(7) == Decimal(7)
    assert str(money.exact("-0.00")) == "0.00"


@pytest.mark.parametrize(
    ("value", "rounded"),
    [("3.333333", "3.33"), ("0.125", "0.13"), ("-0.125", "-0.13"), ("0.005", "0.01"), ("-0.001", "0.00"),
     ("1", "1.00"), ("99999999999999999999999999999999.995", "100000000000000000000000000000000.00")],
)  # fmt: skip
def test_round_to_rounds_half_away_from_zero(value: str, rounded: str) -> None:
    assert str(money.round_to(Decimal(value), places=2)) == rounded


def test_round_to_takes_another_mode_by_name_only() -> None:
    assert money.round_to(Decimal("0.125"), places=2, rounding=ROUND_HALF_EVEN) == Decimal("0.12")
    assert money.round_to(Decimal("0.129"), places=2, rounding=ROUND_DOWN) == Decimal("0.12")
    with pytest.raises(ValueError):
        money.round_to(Decimal("0.125"), places=2, rounding="HALF_UP")


def test_products_and_sums_are_exact_beyond_the_default_context() -> None:
    largest_quantity, largest_price = Decimal("9999999999.9999"), Decimal("9999999999.999999")

    product = money.multiply(largest_quantity, largest_price)

    # (10^10 - 10^-4) (10^10 - 10^-6) = 10^20 - 10^6 - 10^4 + 10^-10: 30 digits, the default keeps 28.
    assert str(product) == "99999999999998990000.0000000001"
    assert money.add_up([Decimal("1e27"), Decimal("0.000001"), Decimal("-1e27")]) == Decimal(
        "0.000001"
    )


@pytest.mark.parametrize(
    ("currency", "exponent"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("ISK", 0),
        ("BHD", 3),
        ("TND", 3),
        ("CLF", 4),
    ],
)
def test_exponent_of_follows_iso_4217(currency: str, exponent: int) -> None:
    assert money.exponent_of(currency) == exponent


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XXX", "DEM", "XAU", "E R"])
def test_exponent_of_refuses_unknown_codes(code: str) -> None:
    assert not money.is_currency(code)
    with pytest.raises(ValueError):
        money.exponent_of(code)


def test_format_amount_has_the_digits_of_the_currency() -> None:
    assert money.format_amount(Decimal("10.5000"), currency="EUR") == "10.50"
    assert money.format_amount(Decimal("10.0000"), currency="JPY") == "10"
    assert money.format_amount(Decimal("10.5"), currency="BHD") == "10.500"
    with pytest.raises(ValueError):
        money.format_amount(Decimal("10.505"), currency="EUR")


def test_format_number_writes_no_exponent_and_no_needless_zero() -> None:
    assert money.format_number(Decimal("0.1900"), at_least=0, at_most=4) == "0.19"
    assert money.format_number(Decimal("1E+2"), at_least=0, at_most=4) == "100"
    assert money.format_number(Decimal("0E-4"), at_least=2, at_most=4) == "0.00"


def test_allocate_gives_the_left_over_coin_to_the_first_among_equals() -> None:
    thirds = [Decimal("33.34"), Decimal("33.33"), Decimal("33.33")]

    assert money.allocate(Decimal("100.00"), [1, 1, 1], currency="EUR") == thirds
    assert money.allocate(Decimal("-100.00"), [1, 1, 1], currency="EUR") == [
        -part for part in thirds
    ]
    assert money.allocate(Decimal(100), [1, 1, 1], currency="JPY") == [34, 33, 33]
    assert money.allocate(Decimal("0.05"), [3, 7], currency="EUR") == [
        Decimal("0.02"),
        Decimal("0.03"),
    ]
    assert money.allocate(Decimal("0.01"), [0, 1, 0], currency="EUR") == [0, Decimal("0.01"), 0]


@pytest.mark.parametrize(
    ("total", "weights"),
    [("1.001", [1, 1]), ("1.00", []), ("1.00", [0, 0]), ("1.00", [2, -1])],
)
def test_allocate_refuses_what_cannot_be_divided(total: str, weights: list[int]) -> None:
    with pytest.raises(ValueError):
        money.allocate(Decimal(total), weights, currency="EUR")


@settings(max_examples=10_000, deadline=None)
@given(
    coins=st.integers(min_value=-(10**14), max_value=10**14),
    weights=st.lists(
        st.decimals(min_value=0, max_value=10**6, places=4), min_size=1, max_size=12
    ).filter(any),
    currency=st.sampled_from(["EUR", "JPY", "BHD", "CLF"]),
)
def test_allocate_never_loses_a_coin(coins: int, weights: list[Decimal], currency: str) -> None:
    exponent = money.exponent_of(currency)
    coin = Decimal((0, (1,), -exponent))
    total = coins * coin

    parts = money.allocate(total, weights, currency=currency)

    assert money.add_up(parts) == total
    assert all(part == 0 or (part < 0) == (total < 0) for part in parts)
    whole = money.add_up(weights)
    for part, weight in zip(parts, weights, strict=True):
        # Within a coin of the exact share, compared without dividing.
        assert abs(part * whole - total * weight) < coin * whole
