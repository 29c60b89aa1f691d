"""Something to look at in a new tenant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from tenant_apps.invoicing import selectors
from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.models import Invoice, Vendor
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tenant_apps.invoicing.totals import Line


@dataclass(frozen=True, slots=True)
class _DemoVendor:
    name: str
    vat_id: str
    email: str
    address: str


# Numbers that fail their own check digit, so that none is anybody's.
_VENDORS = (
    _DemoVendor(
        "Nordwind Logistik GmbH", "DE000000001", "billing@nordwind.example", "Hafenstr. 7, Kiel"
    ),
    _DemoVendor(
        "Atelier Lumière SARL", "FR00000000001", "compta@lumiere.example", "3 rue Neuve, Lyon"
    ),
    _DemoVendor("Hanabi Trading K.K.", "", "keiri@hanabi.example", "1-2-3 Kanda, Tokyo"),
)


@transaction.atomic
def seed_demo_data(*, created_by: UUID, at: datetime) -> None:
    """Vendors and an invoice in every state for the current tenant, unless it has vendors already."""
    if selectors.list_vendors().exists():
        return
    freight, studio, trading = (_create_vendor(vendor, created_by) for vendor in _VENDORS)

    transport = _line("Transport, pallet", "3", "149.50", "0.19")
    insurance = _line("Insurance", "1", "12.345", "0.19")
    design = _line("Design, hour", "7.5", "95", "0.2")

    paid = _draft(freight, [transport, insurance], created_by)
    lifecycle.issue_invoice(invoice_id=paid.id, issued_at=at - timedelta(hours=5))
    lifecycle.pay_invoice(invoice_id=paid.id, paid_at=at - timedelta(hours=1))

    credited = _draft(studio, [design], created_by)
    lifecycle.issue_invoice(invoice_id=credited.id, issued_at=at - timedelta(hours=4))
    lifecycle.credit_invoice(
        invoice_id=credited.id, created_by=created_by, issued_at=at - timedelta(hours=3)
    )

    void = _draft(freight, [transport], created_by)
    lifecycle.issue_invoice(invoice_id=void.id, issued_at=at - timedelta(hours=2))
    lifecycle.void_invoice(invoice_id=void.id, voided_at=at - timedelta(hours=1))

    yen = _draft(trading, [_line("Lanterns", "120", "880", "0.1")], created_by, currency="JPY")
    lifecycle.issue_invoice(invoice_id=yen.id, issued_at=at)

    _draft(studio, [design, _line("Prints", "40", "0.035", "0.055")], created_by)


def _create_vendor(vendor: _DemoVendor, created_by: UUID) -> Vendor:
    return vendors.create_vendor(
        name=vendor.name,
        vat_id=vendor.vat_id,
        email=vendor.email,
        address=vendor.address,
        created_by=created_by,
    )


def _draft(
    vendor: Vendor, items: list[Line], created_by: UUID, *, currency: str = "EUR"
) -> Invoice:
    return drafts.create_invoice(
        vendor_id=vendor.id,
        items=items,
        created_by=created_by,
        currency=currency,
        rounding=VatRounding.LINE,
    )


def _line(description: str, quantity: str, unit_price: str, tax_rate: str) -> Line:
    return Line(description, Decimal(quantity), Decimal(unit_price), Decimal(tax_rate))
