"""Reads of vendors, invoices and the policy."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Prefetch, QuerySet, Sum
from django.db.models.functions import TruncMonth

from shared_apps.core import caching
from tenant_apps.invoicing.choices import InvoiceStatus
from tenant_apps.invoicing.errors import InvoiceNotFoundError, VendorNotFoundError
from tenant_apps.invoicing.models import (
    Invoice,
    InvoiceItem,
    InvoiceNumberCounter,
    InvoicingPolicy,
    Vendor,
)


@dataclass(frozen=True, slots=True)
class InvoiceGroup:
    """Invoices of one currency, status and month of issue (`2026-11`, UTC; None: drafts), and their sums."""

    currency: str
    status: str
    month: str | None
    count: int
    net: Decimal
    tax: Decimal
    amount: Decimal


SUMMARY = caching.declare("invoicing.summary", reads=("invoicing.Invoice", "invoicing.Vendor"))


def list_vendors() -> QuerySet[Vendor]:
    """By name."""
    return Vendor.objects.order_by("name", "id")


def find_vendor(*, vendor_id: UUID) -> Vendor | None:
    return Vendor.objects.filter(id=vendor_id).first()


def list_vendor_ids_by_name(*, name: str) -> list[UUID]:
    """Two at most: several may have the same."""
    return list(Vendor.objects.filter(name=name).values_list("id", flat=True)[:2])


def get_vendor(*, vendor_id: UUID, for_update: bool = False) -> Vendor:
    """Raises VendorNotFoundError. `for_update` locks the row until the transaction ends."""
    vendors = Vendor.objects.select_for_update() if for_update else Vendor.objects.all()
    vendor = vendors.filter(id=vendor_id).first()
    if vendor is None:
        raise VendorNotFoundError
    return vendor


def has_invoices(*, vendor_id: UUID) -> bool:
    return Invoice.objects.filter(vendor_id=vendor_id).exists()


def list_invoices() -> QuerySet[Invoice]:
    """Newest first, with vendor, items and credit note, in two queries however many there are."""
    return _with_relations(Invoice.objects.order_by("-created_at", "id"))


def get_invoice(*, invoice_id: UUID, for_update: bool = False) -> Invoice:
    """One invoice with what `list_invoices` gives.

    `for_update` locks its row, and no other, until the transaction ends.

    Raises:
        InvoiceNotFoundError: this tenant has no such invoice.
    """
    invoices = _with_relations(Invoice.objects.all())
    if for_update:
        invoices = invoices.select_for_update(of=("self",))
    invoice = invoices.filter(id=invoice_id).first()
    if invoice is None:
        raise InvoiceNotFoundError
    return invoice


def summarize_invoices(invoices: QuerySet[Invoice]) -> list[InvoiceGroup]:
    groups = (
        invoices.select_related(None)
        .prefetch_related(None)
        .annotate(month=TruncMonth("issued_at", tzinfo=UTC))
        .values_list("currency", "status", "month")
        .annotate(count=Count("id"), nets=Sum("net"), taxes=Sum("tax"), amounts=Sum("amount"))
        .order_by("currency", "status", "month")
    )
    return [
        InvoiceGroup(currency, status, month and f"{month:%Y-%m}", count, net, tax, amount)
        for currency, status, month, count, net, tax, amount in groups
    ]


def get_policy() -> InvoicingPolicy:
    """The tenant's policy; an unsaved one with the defaults while nobody has changed them."""
    return InvoicingPolicy.objects.first() or InvoicingPolicy()


def iterate_issued_invoices() -> Iterator[Invoice]:
    """Everything but drafts with its items, in portions, so that memory does not grow with the books."""
    issued = Invoice.objects.exclude(status=InvoiceStatus.DRAFT).order_by("year", "number")
    return _with_relations(issued).iterator(chunk_size=500)


def list_last_numbers() -> dict[int, int]:
    """Year → the last number that was given in it."""
    return dict(InvoiceNumberCounter.objects.values_list("year", "last_number"))


def _with_relations(invoices: QuerySet[Invoice]) -> QuerySet[Invoice]:
    items = Prefetch("items", queryset=InvoiceItem.objects.order_by("position"))
    return invoices.select_related("vendor", "credit_note").prefetch_related(items)
