"""Drafts: made, changed and deleted. What happens to an invoice after that is in lifecycle.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from django.db import transaction

from shared_apps.core.preconditions import Expected, require_expected
from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.choices import InvoiceKind, VatRounding
from tenant_apps.invoicing.errors import (
    InvoiceNotDraftError,
    LineInvalidError,
    VendorUnknownError,
)
from tenant_apps.invoicing.models import Invoice, InvoiceItem, Vendor
from tenant_apps.invoicing.totals import Line, Totals, compute_totals


@transaction.atomic
def create_invoice(
    *,
    vendor_id: UUID,
    items: Sequence[Line],
    created_by: UUID,
    currency: str | None = None,
    rounding: VatRounding | None = None,
    due_date: date | None = None,
) -> Invoice:
    """Make a draft, with its items or not at all. Currency and rounding are the policy's unless given.

    Raises:
        VendorUnknownError: this tenant has no such vendor.
        LineInvalidError: a quantity is negative.
        AmountTooLargeError: the sum has too many digits.
    """
    vendor = _find_vendor(vendor_id)
    _refuse_negative(items)
    policy = selectors.get_policy()
    invoice = Invoice(
        kind=InvoiceKind.INVOICE,
        vendor=vendor,
        currency=currency or policy.default_currency,
        rounding=rounding or VatRounding(policy.vat_rounding),
        due_date=due_date,
        created_by=created_by,
    )
    totals = set_totals(invoice, lines=items)
    invoice.save(force_insert=True)
    insert_items(invoice, lines=items, totals=totals)
    return selectors.get_invoice(invoice_id=invoice.id)


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft that is to be made, whose vendor is known to be the tenant's."""

    id: UUID
    vendor_id: UUID
    currency: str
    due_date: date | None
    lines: Sequence[Line]


@transaction.atomic
def insert_drafts(*, drafts: Sequence[Draft], rounding: VatRounding, created_by: UUID) -> None:
    """Many drafts in two statements.

    Raises:
        LineInvalidError, AmountTooLargeError: as for `create_invoice`.
        IntegrityError: a vendor was deleted meanwhile.
    """
    invoices, items = [], []
    for draft in drafts:
        _refuse_negative(draft.lines)
        invoice = Invoice(
            id=draft.id,
            kind=InvoiceKind.INVOICE,
            vendor_id=draft.vendor_id,
            currency=draft.currency,
            rounding=rounding,
            due_date=draft.due_date,
            created_by=created_by,
        )
        totals = set_totals(invoice, lines=draft.lines)
        items += as_items(invoice, lines=draft.lines, totals=totals)
        invoices.append(invoice)
    Invoice.objects.bulk_create(invoices)
    InvoiceItem.objects.bulk_create(items)


@transaction.atomic
def change_invoice(
    *,
    invoice_id: UUID,
    vendor_id: UUID | None = None,
    items: Sequence[Line] | None = None,
    currency: str | None = None,
    rounding: VatRounding | None = None,
    due_date: date | None = None,
    expected: Expected | None = None,
) -> Invoice:
    """Change what is given of a draft; None leaves it as it is. `items` replaces all of them.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceNotDraftError: it has been issued.
        VendorUnknownError, LineInvalidError, AmountTooLargeError: as for `create_invoice`.
    """
    invoice = selectors.get_invoice(invoice_id=invoice_id, for_update=True)
    require_expected(invoice, expected)
    if not invoice.is_draft:
        raise InvoiceNotDraftError(status=invoice.status)
    if vendor_id is not None:
        invoice.vendor = _find_vendor(vendor_id)
    invoice.due_date = due_date or invoice.due_date
    invoice.currency = currency or invoice.currency
    invoice.rounding = rounding or invoice.rounding

    if items is not None or currency is not None or rounding is not None:
        lines = [as_line(item) for item in invoice.items.all()] if items is None else items
        _refuse_negative(lines)
        totals = set_totals(invoice, lines=lines)
        InvoiceItem.objects.filter(invoice=invoice).delete()
        insert_items(invoice, lines=lines, totals=totals)
    invoice.save(
        update_fields=["vendor", "due_date", "currency", "rounding", "net", "tax", "amount"]
    )
    return selectors.get_invoice(invoice_id=invoice_id)


@transaction.atomic
def delete_invoice(*, invoice_id: UUID, expected: Expected | None = None) -> None:
    """
    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceNotDraftError: it has been issued; it can be voided or credited.
    """
    invoice = selectors.get_invoice(invoice_id=invoice_id, for_update=True)
    require_expected(invoice, expected)
    if not invoice.is_draft:
        raise InvoiceNotDraftError("An issued invoice cannot be deleted.", status=invoice.status)
    invoice.delete()


def as_line(item: InvoiceItem) -> Line:
    return Line(
        description=item.description,
        quantity=item.quantity,
        unit_price=item.unit_price,
        tax_rate=item.tax_rate,
    )


def set_totals(invoice: Invoice, *, lines: Sequence[Line]) -> Totals:
    """Compute before anything is written, so that one INSERT has it all."""
    totals = compute_totals(
        lines, currency=invoice.currency, rounding=VatRounding(invoice.rounding)
    )
    invoice.net, invoice.tax, invoice.amount = totals.net, totals.tax, totals.amount
    return totals


def insert_items(invoice: Invoice, *, lines: Sequence[Line], totals: Totals) -> None:
    InvoiceItem.objects.bulk_create(as_items(invoice, lines=lines, totals=totals))


def as_items(invoice: Invoice, *, lines: Sequence[Line], totals: Totals) -> list[InvoiceItem]:
    """Not saved yet."""
    return [
        InvoiceItem(
            invoice=invoice,
            position=position,
            description=line.description,
            quantity=line.quantity,
            unit_price=line.unit_price,
            tax_rate=line.tax_rate,
            net=amounts.net,
            tax=amounts.tax,
        )
        for position, (line, amounts) in enumerate(zip(lines, totals.lines, strict=True), start=1)
    ]


def _find_vendor(vendor_id: UUID) -> Vendor:
    vendor = selectors.find_vendor(vendor_id=vendor_id)
    if vendor is None:
        raise VendorUnknownError(vendor=["There is no such vendor."])
    return vendor


def _refuse_negative(lines: Sequence[Line]) -> None:
    if any(line.quantity < 0 for line in lines):
        raise LineInvalidError(quantity=["Only the items of a credit note are negative."])
