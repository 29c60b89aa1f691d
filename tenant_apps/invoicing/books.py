"""Checks the books of the current tenant: what was issued must still add up, and miss no number."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.errors import AmountTooLargeError
from tenant_apps.invoicing.models import Invoice
from tenant_apps.invoicing.totals import compute_totals


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is an invoice's reference."""

    problem: str
    subject: str


@dataclass(frozen=True, slots=True)
class BooksReport:
    invoices: int
    findings: tuple[Finding, ...]


def check_books() -> BooksReport:
    """Recompute every invoice that is not a draft, and look for gaps and doubles in the numbers.

    Safe while invoices are being issued: it reads the counters before and after the numbers.
    """
    before = selectors.list_last_numbers()
    numbers: dict[int, Counter[int]] = {year: Counter() for year in before}
    findings: list[Finding] = []
    count = 0
    for invoice in selectors.iterate_issued_invoices():
        count += 1
        if invoice.year is None or invoice.number is None:
            findings.append(Finding("an issued invoice has no number", str(invoice.id)))
            continue
        numbers.setdefault(invoice.year, Counter())[invoice.number] += 1
        if not _adds_up(invoice):
            findings.append(Finding("the amounts are not what the items come to", str(invoice)))
    after = selectors.list_last_numbers()
    for year, given in numbers.items():
        findings += _check_numbers(year, given, before.get(year, 0), after.get(year, 0))
    return BooksReport(invoices=count, findings=tuple(findings))


def _adds_up(invoice: Invoice) -> bool:
    items = list(invoice.items.all())
    try:
        totals = compute_totals(
            items, currency=invoice.currency, rounding=VatRounding(invoice.rounding)
        )
    except AmountTooLargeError:
        return False
    stored = [(item.net, item.tax) for item in items]
    return (
        bool(items)
        and (invoice.net, invoice.tax, invoice.amount) == (totals.net, totals.tax, totals.amount)
        and stored == [(line.net, line.tax) for line in totals.lines]
    )


def _check_numbers(year: int, given: Counter[int], before: int, after: int) -> Iterator[Finding]:
    """What was counted before the reading must be there; nothing may be there that was never counted."""
    for number in range(1, before + 1):
        if number not in given:
            yield Finding("the number is missing", f"{year}-{number:05}")
    for number in sorted(given):
        if given[number] > 1:
            yield Finding("the number was given more than once", f"{year}-{number:05}")
        if number > after:
            yield Finding("the number is beyond the counter", f"{year}-{number:05}")
