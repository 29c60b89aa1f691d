"""The life of an invoice after it was a draft. Each step locks the invoice before it looks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from shared_apps.core import updates
from shared_apps.core.preconditions import Expected, require_expected
from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.choices import TRANSITIONS, InvoiceKind, InvoiceStatus
from tenant_apps.invoicing.errors import (
    CreditNoteError,
    InvoiceEmptyError,
    InvoiceNotDraftError,
    InvoiceStatusError,
)
from tenant_apps.invoicing.models import Invoice, InvoiceNumberCounter
from tenant_apps.invoicing.services.drafts import as_line, insert_items, set_totals


@transaction.atomic
def issue_invoice(
    *, invoice_id: UUID, issued_at: datetime, expected: Expected | None = None
) -> Invoice:
    """Give a draft its number and make it final.

    Numbers have no gaps within a year (UTC): whoever issues waits for the one before.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceNotDraftError: it was issued before.
        InvoiceEmptyError: there is nothing to pay for.
    """
    invoice = selectors.get_invoice(invoice_id=invoice_id, for_update=True)
    require_expected(invoice, expected)
    if not invoice.is_draft:
        raise InvoiceNotDraftError("The invoice has been issued already.", status=invoice.status)
    if not invoice.items.all():
        raise InvoiceEmptyError
    if invoice.due_date is None:
        terms = timedelta(days=selectors.get_policy().payment_terms_days)
        invoice.due_date = (issued_at.astimezone(UTC) + terms).date()
    _issue(invoice, issued_at)
    return invoice


@transaction.atomic
def pay_invoice(
    *, invoice_id: UUID, paid_at: datetime, expected: Expected | None = None
) -> Invoice:
    """Note that an issued invoice was paid, or that the money of a credit note was returned.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceStatusError: it is not issued, or its life is over.
    """
    invoice = _get_for_step(invoice_id, expected, to=InvoiceStatus.PAID)
    invoice.status = InvoiceStatus.PAID
    invoice.paid_at = paid_at
    invoice.save(update_fields=["status", "paid_at"])
    return invoice


@transaction.atomic
def void_invoice(
    *, invoice_id: UUID, voided_at: datetime, expected: Expected | None = None
) -> Invoice:
    """Declare an issued invoice invalid; its number stays taken.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceStatusError: it is not issued, or its life is over.
        CreditNoteError: it is a credit note.
    """
    invoice = _get_for_step(invoice_id, expected, to=InvoiceStatus.VOID)
    if invoice.is_credit_note:
        raise CreditNoteError
    invoice.status = InvoiceStatus.VOID
    invoice.voided_at = voided_at
    invoice.save(update_fields=["status", "voided_at"])
    return invoice


@transaction.atomic
def credit_invoice(
    *,
    invoice_id: UUID,
    created_by: UUID,
    issued_at: datetime,
    expected: Expected | None = None,
) -> Invoice:
    """Take an issued invoice back as a whole; returns the credit note, which is issued at once.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
        PreconditionFailedError: it is not the `expected` version.
        InvoiceStatusError: it is not issued, or its life is over.
        CreditNoteError: it is a credit note itself.
    """
    original = _get_for_step(invoice_id, expected, to=InvoiceStatus.CREDITED)
    if original.is_credit_note:
        raise CreditNoteError
    note = Invoice(
        kind=InvoiceKind.CREDIT_NOTE,
        original=original,
        vendor=original.vendor,
        currency=original.currency,
        rounding=original.rounding,
        created_by=created_by,
    )
    lines = [as_line(item) for item in original.items.all()]
    # HALF_UP rounds away from zero, so the mirror image comes to exactly the opposite amounts.
    mirrored = [replace(line, quantity=-line.quantity) for line in lines]
    totals = set_totals(note, lines=mirrored)
    note.save(force_insert=True)
    insert_items(note, lines=mirrored, totals=totals)
    _issue(note, issued_at)

    original.status = InvoiceStatus.CREDITED
    original.credited_at = issued_at
    original.save(update_fields=["status", "credited_at"])
    return selectors.get_invoice(invoice_id=note.id)


def _get_for_step(invoice_id: UUID, expected: Expected | None, *, to: InvoiceStatus) -> Invoice:
    invoice = selectors.get_invoice(invoice_id=invoice_id, for_update=True)
    require_expected(invoice, expected)
    if to not in TRANSITIONS[InvoiceStatus(invoice.status)]:
        raise InvoiceStatusError(
            f"An invoice that is {invoice.status} cannot become {to}.", status=invoice.status
        )
    return invoice


def _issue(invoice: Invoice, issued_at: datetime) -> None:
    year = issued_at.astimezone(UTC).year
    invoice.status = InvoiceStatus.ISSUED
    invoice.issued_at = issued_at
    invoice.year, invoice.number = year, _take_number(year)
    invoice.save(update_fields=["status", "issued_at", "year", "number", "due_date"])
    # No amounts: whoever may read them asks the API.
    updates.broadcast_update(
        {"event": "invoicing.invoice_issued", "id": invoice.id, "number": invoice.number}
    )


def _take_number(year: int) -> int:
    """The next number. Its row stays locked until the transaction ends: a rollback leaves no gap."""
    counters = InvoiceNumberCounter.objects.select_for_update().filter(year=year)
    counter = counters.first()
    if counter is None:
        # The first of a year: of two at once the second waits here for the first.
        InvoiceNumberCounter.objects.bulk_create(
            [InvoiceNumberCounter(year=year)], ignore_conflicts=True
        )
        counter = counters.get()
    counter.last_number += 1
    counter.save(update_fields=["last_number"])
    return counter.last_number
