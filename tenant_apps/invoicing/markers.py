"""Rows for the leak laboratory: one at least of every model of this app, in several states."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from tenant_apps.invoicing.choices import VatRounding
from tenant_apps.invoicing.services import drafts, lifecycle, policy, vendors
from tenant_apps.invoicing.totals import Line


def plant(*, marker: str, person: UUID, at: datetime) -> None:
    policy.change_policy(vat_rounding=VatRounding.LINE)
    vendor = vendors.create_vendor(
        name=marker, vat_id="", email="", address=marker, created_by=person
    )
    for issued in (True, False):
        invoice = drafts.create_invoice(
            vendor_id=vendor.id,
            items=[Line(marker, Decimal(1), Decimal("10.50"), Decimal("0.19"))],
            created_by=person,
            currency="EUR",
            rounding=VatRounding.LINE,
        )
        if issued:
            lifecycle.issue_invoice(invoice_id=invoice.id, issued_at=at)
