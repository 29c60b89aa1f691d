"""What cross-tenant roles read of vendors and invoices: the facts, from a row or from its recorded change."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from shared_apps.portfolio.sources import InvoiceFacts, Source, Values, VendorFacts
from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.models import Invoice, Vendor


def _vendor_of(values: Values) -> VendorFacts:
    return VendorFacts(vendor_id=UUID(values["id"]), name=values["name"])


def _invoice_of(values: Values) -> InvoiceFacts:
    return _facts(
        Invoice(
            id=UUID(values["id"]),
            kind=values["kind"],
            status=values["status"],
            year=values["year"],
            number=values["number"],
            vendor_id=UUID(values["vendor_id"]),
            currency=values["currency"],
            net=Decimal(values["net"]),
            tax=Decimal(values["tax"]),
            amount=Decimal(values["amount"]),
            due_date=date.fromisoformat(values["due_date"]) if values["due_date"] else None,
            created_at=datetime.fromisoformat(values["created_at"]),
            issued_at=datetime.fromisoformat(values["issued_at"]) if values["issued_at"] else None,
        )
    )


def _facts(invoice: Invoice) -> InvoiceFacts:
    return InvoiceFacts(
        invoice_id=invoice.id,
        kind=invoice.kind,
        status=invoice.status,
        year=invoice.year,
        number=invoice.number,
        reference=invoice.reference,
        vendor_id=invoice.vendor_id,
        currency=invoice.currency,
        net=invoice.net,
        tax=invoice.tax,
        amount=invoice.amount,
        due_date=invoice.due_date,
        created_at=invoice.created_at,
        issued_at=invoice.issued_at,
    )


def _vendors() -> Iterator[VendorFacts]:
    for vendor in selectors.list_vendors().iterator(chunk_size=500):
        yield VendorFacts(vendor_id=vendor.id, name=vendor.name)


def _invoices() -> Iterator[InvoiceFacts]:
    for invoice in Invoice.objects.order_by("id").iterator(chunk_size=500):
        yield _facts(invoice)


SOURCE = Source(
    vendor_entity=Vendor._meta.label_lower,
    invoice_entity=Invoice._meta.label_lower,
    vendor_of=_vendor_of,
    invoice_of=_invoice_of,
    iterate_vendors=_vendors,
    iterate_invoices=_invoices,
)
