"""Net, VAT and sum of an invoice, by both rules of rounding."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_apps.core import money
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.errors import AmountTooLargeError, LineInvalidError
from tenant_apps.invoicing.totals import Line, Totals, compute_totals


def _line(quantity: str, unit_price: str, tax_rate: str = "0.19") -> Line:
    return Line("Thing", Decimal(quantity), Decimal(unit_price), Decimal(tax_rate))


def _compute(
    *lines: Line, currency: str = "EUR", rounding: VatRounding = VatRounding.LINE
) -> Totals:
    return compute_totals(lines, currency=currency, rounding=rounding)


@pytest.mark.parametrize(
    ("rounding", "tax", "amount"),
    [(VatRounding.LINE, "1.00", "4.00"), (VatRounding.DOCUMENT, "0.57", "3.57")],
)
def test_a_hundred_small_lines_differ_by_where_vat_is_rounded(
    rounding: VatRounding, tax: str, amount: str
) -> None:
    totals = _compute(*[_line("1", "0.03")] * 100, rounding=rounding)

    assert (str(totals.net), str(totals.tax), str(totals.amount)) == ("3.00", tax, amount)
    assert money.add_up(line.tax for line in totals.lines) == Decimal(tax)


def test_vat_per_document_is_rounded_once_for_each_rate() -> None:
    lines = [_line("1", "0.03", "0.19"), _line("1", "0.07", "0.07"), _line("1", "0.03", "0.1900")]

    totals = _compute(*lines, rounding=VatRounding.DOCUMENT)

    # 19 % of 0.06 is 0.0114, and 7 % of 0.07 is 0.0049.
    assert [line.tax for line in totals.lines] == [Decimal("0.01"), 0, 0]
    assert totals.tax == Decimal("0.01")


def test_a_lines_net_is_rounded_before_vat() -> None:
    totals = _compute(_line("3", "0.333333"), _line("1", "0.125", "0"))

    assert [line.net for line in totals.lines] == [Decimal("1.00"), Decimal("0.13")]
    assert totals.tax == Decimal("0.19")


@pytest.mark.parametrize(
    ("currency", "net", "tax"),
    [("EUR", "1.56", "0.30"), ("JPY", "2", "0"), ("BHD", "1.556", "0.296")],
)
def test_amounts_have_the_digits_of_the_currency(currency: str, net: str, tax: str) -> None:
    totals = _compute(_line("1", "1.5555"), currency=currency)

    assert (str(totals.net), str(totals.tax)) == (net, tax)


def test_no_lines_come_to_nothing() -> None:
    assert _compute() == Totals(lines=(), net=Decimal(0), tax=Decimal(0), amount=Decimal(0))


def test_the_largest_amount_is_accepted_and_the_next_refused() -> None:
    assert _compute(_line("1", "9999999999.99", "0")).amount == Decimal("9999999999.99")
    for lines in (
        [_line("1", "9999999999.99", "0"), _line("1", "0.01", "0")],
        [_line("1", "9999999999.99", "0.0001")],
        [_line("1", "9999999999.995", "0")],
        [_line("9999999999", "9999999999", "1")],
    ):
        with pytest.raises(AmountTooLargeError):
            _compute(*lines)


@pytest.mark.parametrize(
    ("quantity", "unit_price", "tax_rate", "wrong"),
    [("0", "1", "0", "quantity"), ("1.00001", "1", "0", "quantity"), ("10000000000", "1", "0", "quantity"),
     ("1", "-0.01", "0", "unit_price"), ("1", "0.0000001", "0", "unit_price"),
     ("1", "1", "-0.1", "tax_rate"), ("1", "1", "1.0001", "tax_rate"), ("1", "1", "0.00001", "tax_rate")],
)  # fmt: skip
def test_line_refuses_numbers_out_of_range(
    quantity: str, unit_price: str, tax_rate: str, wrong: str
) -> None:
    with pytest.raises(LineInvalidError) as refused:
        _line(quantity, unit_price, tax_rate)
    assert list(refused.value.details) == [wrong]


def test_line_refuses_floats_and_blank_texts() -> None:
    with pytest.raises(TypeError):
        Line("Thing", Decimal(1), 10.5, Decimal(0))  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Line("Thing", Decimal("NaN"), Decimal(1), Decimal(0))
    with pytest.raises(LineInvalidError):
        Line(" ", Decimal(1), Decimal(1), Decimal(0))


_LINES = st.lists(
    st.builds(
        Line,
        description=st.just("Thing"),
        quantity=st.decimals(min_value=Decimal("0.0001"), max_value=1000, places=4),
        unit_price=st.decimals(min_value=0, max_value=1000, places=6),
        tax_rate=st.sampled_from([Decimal(0), Decimal("0.07"), Decimal("0.19"), Decimal("0.055")]),
    ),
    max_size=20,
)


@settings(max_examples=500, deadline=None)
@given(
    lines=_LINES,
    currency=st.sampled_from(["EUR", "JPY", "BHD"]),
    rounding=st.sampled_from(VatRounding),
)
def test_lines_add_up_and_a_credit_note_is_the_mirror_image(
    lines: list[Line], currency: str, rounding: VatRounding
) -> None:
    mirrored = [Line(i.description, -i.quantity, i.unit_price, i.tax_rate) for i in lines]

    totals = compute_totals(lines, currency=currency, rounding=rounding)
    opposite = compute_totals(mirrored, currency=currency, rounding=rounding)

    assert totals.net == money.add_up(line.net for line in totals.lines)
    assert totals.tax == money.add_up(line.tax for line in totals.lines)
    assert totals.amount == totals.net + totals.tax
    assert (opposite.net, opposite.tax) == (-totals.net, -totals.tax)
    assert [(i.net, i.tax) for i in opposite.lines] == [(-i.net, -i.tax) for i in totals.lines]
