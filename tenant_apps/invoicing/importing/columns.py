"""What the columns of a file mean, and what may be wrong in a row."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from shared_apps.core import money, text
from tenant_apps.invoicing.errors import ImportFileError
from tenant_apps.invoicing.totals import QUANTITY, TAX_RATE, UNIT_PRICE, Line

REQUIRED: Final = ("invoice", "vendor", "description", "quantity", "unit_price", "tax_rate")
OPTIONAL: Final = ("currency", "due_date")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Problem:
    row: int
    column: str
    problem: str
    value: str


@dataclass(frozen=True, slots=True)
class Record:
    """A row that is right as far as it alone can tell."""

    row: int
    invoice: str
    vendor: str
    currency: str
    due_date: str
    line: Line


def positions_of(header: Sequence[str]) -> dict[str, int]:
    """Column → where it stands.

    Raises:
        ImportFileError: one is missing, unknown or given twice.
    """
    names = [name.strip().lower().replace(" ", "_") for name in header]
    while names and not names[-1]:
        names.pop()
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise ImportFileError(f"The first row lacks the columns: {', '.join(missing)}.")
    unknown = [name for name in names if name not in (*REQUIRED, *OPTIONAL)]
    if unknown:
        raise ImportFileError(
            f"Unknown columns: {', '.join(n[:40] or '(blank)' for n in unknown)}."
        )
    if len(set(names)) < len(names):
        raise ImportFileError("A column is there twice.")
    return {name: place for place, name in enumerate(names)}


def parse(number: int, cells: Sequence[str], places: Mapping[str, int]) -> "Record | list[Problem]":
    """One row; or all that is wrong with it."""
    values = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
    found: dict[str, Any] = {}
    wrong: list[Problem] = []
    for name, read in _READERS.items():
        try:
            found[name] = read(values.get(name, ""))
        except ValueError as error:
            wrong.append(Problem(number, name, str(error), values.get(name, "")[:200]))
    if any(cells[len(places) :]):
        wrong.append(Problem(number, "", "There are more cells than columns.", ""))
    if wrong:
        return wrong
    line = Line(found["description"], found["quantity"], found["unit_price"], found["tax_rate"])
    return Record(
        number, found["invoice"], found["vendor"], found["currency"], found["due_date"], line
    )


def is_blank(cells: Sequence[str]) -> bool:
    return not any(cells)


def _text(longest: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not value:
            raise ValueError("This is required.")
        if len(value) > longest:
            raise ValueError(f"At most {longest} characters.")
        if text.has_unusable_characters(value):
            raise ValueError("There are characters in it that cannot be stored.")
        return value

    return read


def _number(
    digits: money.Digits, *, above: Decimal | None = None, most: Decimal | None = None
) -> Callable[[str], Decimal]:
    def read(value: str) -> Decimal:
        if not value:
            raise ValueError("This is required.")
        try:
            number = money.exact(value)
        except ValueError:
            raise ValueError(
                'A plain number with a decimal point is required, as "1234.50".'
            ) from None
        if not digits.hold(number):
            raise ValueError(
                f"At most {digits.whole} digits before the point and {digits.places} after it."
            )
        if above is not None and number <= above:
            raise ValueError(f"Must be greater than {above}.")
        if above is None and number < 0:
            raise ValueError("Must not be negative.")
        if most is not None and number > most:
            raise ValueError(f"Must be at most {most}.")
        return number

    return read


def _currency(value: str) -> str:
    if value and not money.is_currency(value):
        raise ValueError("A currency of ISO 4217 in capital letters is required.")
    return value


def _due_date(value: str) -> str:
    if not value:
        return ""
    try:
        if not _ISO_DATE.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise ValueError("A date as 2026-12-31 is required.") from None


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "invoice": _text(100),
    "vendor": _text(200),
    "currency": _currency,
    "due_date": _due_date,
    "description": _text(500),
    "quantity": _number(QUANTITY, above=Decimal(0)),
    "unit_price": _number(UNIT_PRICE),
    "tax_rate": _number(TAX_RATE, most=Decimal(1)),
}
