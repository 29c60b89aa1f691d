"""Vendors, drafts and policy: what is written, and that a refusal writes nothing."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing import errors, selectors
from tenant_apps.invoicing.choices import InvoiceStatus, VatRounding
from tenant_apps.invoicing.models import Invoice, InvoiceItem, Vendor
from tenant_apps.invoicing.services import drafts, lifecycle, policy, vendors
from tests.integration.tenant_apps.invoicing.lines import line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_create_invoice_stores_items_and_totals(vendor_id: UUID, person: UUID) -> None:
    items = [line("3", "149.50"), line("1", "12.345"), line("0.5", "10", "0.07")]

    invoice = drafts.create_invoice(vendor_id=vendor_id, items=items, created_by=person)

    stored = selectors.get_invoice(invoice_id=invoice.id)
    assert stored.status == InvoiceStatus.DRAFT
    assert (stored.number, stored.year, stored.reference, stored.issued_at) == (None,) * 4
    assert (stored.net, stored.tax, stored.amount) == (
        Decimal("465.85"), Decimal("87.92"), Decimal("553.77")
    )  # fmt: skip
    assert [(i.position, i.net, i.tax) for i in stored.items.all()] == [
        (1, Decimal("448.50"), Decimal("85.22")),
        (2, Decimal("12.35"), Decimal("2.35")),
        (3, Decimal("5.00"), Decimal("0.35")),
    ]
    assert (stored.currency, stored.rounding, stored.created_by) == (
        "EUR",
        VatRounding.LINE,
        person,
    )


def test_create_invoice_inserts_once_and_updates_nothing(vendor_id: UUID, person: UUID) -> None:
    with CaptureQueriesContext(connection) as queries:
        drafts.create_invoice(vendor_id=vendor_id, items=[line("1", "1")] * 20, created_by=person)

    writes = [q["sql"] for q in queries if "INSERT INTO" in q["sql"] or "UPDATE " in q["sql"]]
    assert len([sql for sql in writes if 'INTO "invoicing_invoice"' in sql]) == 1
    assert len([sql for sql in writes if 'INTO "invoicing_invoiceitem"' in sql]) == 1
    assert len(writes) == 2


def test_create_invoice_refuses_a_vendor_of_another_tenant(
    at_acme: TenantIdentity, globex: TenantIdentity, person: UUID
) -> None:
    with context.tenant(globex):
        theirs = vendors.create_vendor(name="Globex supplies", created_by=person)

    for vendor_id in (theirs.id, uuid4()):
        with pytest.raises(errors.VendorUnknownError) as refused:
            drafts.create_invoice(vendor_id=vendor_id, items=[], created_by=person)
        assert list(refused.value.details) == ["vendor"]
    assert not Invoice.objects.exists()


def test_a_bad_third_item_leaves_no_invoice(vendor_id: UUID, person: UUID) -> None:
    too_long = line("1", "1")
    # What no service can build, to see the database refuse it half-way through.
    object.__setattr__(too_long, "description", "x" * 501)
    negative = line("-1", "1")
    huge = line("9999999999", "9999999999")

    for third, error in (
        (too_long, Exception),
        (negative, errors.LineInvalidError),
        (huge, errors.AmountTooLargeError),
    ):
        with pytest.raises(error):
            drafts.create_invoice(
                vendor_id=vendor_id,
                items=[line("1", "1"), line("2", "2"), third],
                created_by=person,
            )
        assert (Invoice.objects.count(), InvoiceItem.objects.count()) == (0, 0)


def test_change_invoice_replaces_what_is_given(
    make_draft: Callable[..., UUID], person: UUID
) -> None:
    invoice_id = make_draft("10.00", "5.00")
    other = vendors.create_vendor(name="Other", created_by=person)

    drafts.change_invoice(invoice_id=invoice_id, vendor_id=other.id, due_date=date(2026, 5, 1))
    kept = selectors.get_invoice(invoice_id=invoice_id)
    drafts.change_invoice(invoice_id=invoice_id, items=[line("1", "0.03")] * 100)
    replaced = selectors.get_invoice(invoice_id=invoice_id)
    drafts.change_invoice(invoice_id=invoice_id, rounding=VatRounding.DOCUMENT)
    rerounded = selectors.get_invoice(invoice_id=invoice_id)

    assert (kept.vendor_id, kept.due_date, kept.amount) == (
        other.id,
        date(2026, 5, 1),
        Decimal("17.85"),
    )
    assert (replaced.tax, replaced.vendor_id) == (Decimal("1.00"), other.id)
    assert (rerounded.tax, rerounded.items.count()) == (Decimal("0.57"), 100)


def test_change_of_currency_computes_anew(make_draft: Callable[..., UUID]) -> None:
    invoice_id = make_draft("10.55")

    changed = drafts.change_invoice(invoice_id=invoice_id, currency="JPY")

    assert (changed.net, changed.tax, changed.amount) == (Decimal(11), Decimal(2), Decimal(13))


def test_an_issued_invoice_is_neither_changed_nor_deleted(make_draft: Callable[..., UUID]) -> None:
    invoice_id = make_draft("10.00")
    issued = lifecycle.issue_invoice(invoice_id=invoice_id, issued_at=NOON)

    with pytest.raises(errors.InvoiceNotDraftError):
        drafts.change_invoice(invoice_id=invoice_id, items=[line("1", "1")])
    with pytest.raises(errors.InvoiceNotDraftError):
        drafts.delete_invoice(invoice_id=invoice_id)

    assert selectors.get_invoice(invoice_id=invoice_id).amount == issued.amount


def test_delete_invoice_removes_a_draft_and_its_items(make_draft: Callable[..., UUID]) -> None:
    drafts.delete_invoice(invoice_id=make_draft("10.00", "5.00"))

    assert (Invoice.objects.count(), InvoiceItem.objects.count()) == (0, 0)


def test_another_tenants_invoice_is_not_found(
    make_draft: Callable[..., UUID], globex: TenantIdentity, person: UUID
) -> None:
    invoice_id = make_draft("10.00")

    with context.tenant(globex):
        for act in (
            lambda: selectors.get_invoice(invoice_id=invoice_id),
            lambda: drafts.change_invoice(invoice_id=invoice_id, currency="USD"),
            lambda: drafts.delete_invoice(invoice_id=invoice_id),
            lambda: lifecycle.issue_invoice(invoice_id=invoice_id, issued_at=NOON),
            lambda: lifecycle.pay_invoice(invoice_id=invoice_id, paid_at=NOON),
            lambda: lifecycle.void_invoice(invoice_id=invoice_id, voided_at=NOON),
            lambda: lifecycle.credit_invoice(
                invoice_id=invoice_id, created_by=person, issued_at=NOON
            ),
        ):
            with pytest.raises(errors.InvoiceNotFoundError):
                act()

    assert selectors.get_invoice(invoice_id=invoice_id).currency == "EUR"


def test_delete_vendor_refuses_one_with_invoices(
    make_draft: Callable[..., UUID], vendor_id: UUID, person: UUID
) -> None:
    make_draft("10.00")
    unused = vendors.create_vendor(name="Unused", created_by=person)

    with pytest.raises(errors.VendorInUseError):
        vendors.delete_vendor(vendor_id=vendor_id)
    vendors.delete_vendor(vendor_id=unused.id)

    assert list(Vendor.objects.values_list("id", flat=True)) == [vendor_id]


def test_change_vendor_leaves_what_is_not_given(vendor_id: UUID) -> None:
    vendors.change_vendor(vendor_id=vendor_id, email="billing@nordwind.example")
    vendors.change_vendor(vendor_id=vendor_id)

    vendor = selectors.get_vendor(vendor_id=vendor_id)
    assert (vendor.name, vendor.email) == ("Nordwind GmbH", "billing@nordwind.example")


def test_the_policy_is_one_row_of_this_tenant(
    make_draft: Callable[..., UUID], globex: TenantIdentity
) -> None:
    assert selectors.get_policy().vat_rounding == VatRounding.LINE

    policy.change_policy(vat_rounding=VatRounding.DOCUMENT, payment_terms_days=14)
    policy.change_policy(default_currency="CHF")

    invoice = selectors.get_invoice(invoice_id=make_draft(*["0.03"] * 100))
    assert (invoice.rounding, invoice.currency, invoice.tax) == ("document", "CHF", Decimal("0.57"))
    issued = lifecycle.issue_invoice(invoice_id=invoice.id, issued_at=NOON)
    assert issued.due_date == date(2026, 3, 15)
    overridden = selectors.get_invoice(invoice_id=make_draft("0.03", rounding=VatRounding.LINE))
    assert overridden.rounding == VatRounding.LINE
    with context.tenant(globex):
        assert selectors.get_policy().default_currency == "EUR"


def test_the_database_refuses_what_no_service_writes(vendor_id: UUID, person: UUID) -> None:
    invoice = drafts.create_invoice(vendor_id=vendor_id, items=[line("1", "1")], created_by=person)
    rows = Invoice.objects.filter(id=invoice.id)

    for wrong in (
        {"amount": Decimal(5)},
        {"status": "LOST"},
        {"status": InvoiceStatus.PAID},
        {"number": 7},
        {"kind": "CREDIT_NOTE"},
        {"currency": "eur"},
        {"rounding": "SOMEHOW"[:8]},
    ):
        with pytest.raises(IntegrityError):
            rows.update(**wrong)
    for wrong in (
        {"quantity": 0},
        {"tax_rate": Decimal("1.1")},
        {"unit_price": -1},
        {"description": " "},
    ):
        with pytest.raises(IntegrityError):
            InvoiceItem.objects.filter(invoice=invoice).update(**wrong)
