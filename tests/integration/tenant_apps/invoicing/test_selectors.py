"""Reads: filters, orders, and that a list costs the same number of queries however long it is."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing import errors, selectors, serializers
from tenant_apps.invoicing.choices import InvoiceStatus
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tests.integration.tenant_apps.invoicing.lines import line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_list_invoices_costs_as_many_queries_for_a_hundred_as_for_one(
    make_draft: Callable[..., UUID], person: UUID
) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as queries:
            shown = serializers.InvoiceSerializer(selectors.list_invoices(), many=True).data
        assert all(len(invoice["items"]) == 2 for invoice in shown)
        return len(queries)

    for_one = make_draft("1", "2")
    lifecycle.issue_invoice(invoice_id=for_one, issued_at=NOON)
    lifecycle.credit_invoice(invoice_id=for_one, created_by=person, issued_at=NOON)
    few = count_queries()
    for _ in range(98):
        make_draft("1", "2")

    assert (few, count_queries()) == (2, 2)
    assert selectors.list_invoices().count() == 100


def test_list_invoices_filters_and_orders(
    make_draft: Callable[..., UUID], vendor_id: UUID, person: UUID, globex: TenantIdentity
) -> None:
    cheap, dear, middle = make_draft("1.00"), make_draft("100.00"), make_draft("50.00")
    lifecycle.issue_invoice(invoice_id=dear, issued_at=NOON)
    lifecycle.issue_invoice(invoice_id=cheap, issued_at=NOON)
    other = vendors.create_vendor(name="100% Südfrüchte", created_by=person)
    foreign = drafts.create_invoice(
        vendor_id=other.id, items=[line("1", "7")], created_by=person
    ).id

    def ids(**asked: object) -> list[UUID]:
        return [invoice.id for invoice in selectors.list_invoices(**asked)]

    assert ids() == [foreign, middle, dear, cheap]
    assert ids(ordering=["amount"]) == [cheap, foreign, middle, dear]
    assert ids(ordering=["number"], status=InvoiceStatus.ISSUED) == [dear, cheap]
    assert ids(ordering=["-number"], status=InvoiceStatus.ISSUED) == [cheap, dear]
    assert ids(vendor_id=other.id) == [foreign]
    assert ids(vendor_id=uuid4()) == []
    assert ids(search="südfr") == ids(search="0%") == [foreign]
    assert ids(search="2026-00002") == [cheap]
    assert ids(search="x%") == []
    with context.tenant(globex):
        assert ids() == []


def test_list_vendors_searches_and_orders(vendor_id: UUID, person: UUID) -> None:
    second = vendors.create_vendor(
        name="Abend AG", vat_id="CHE-1", email="a@b.example", created_by=person
    )

    def ids(**asked: object) -> list[UUID]:
        return [vendor.id for vendor in selectors.list_vendors(**asked)]

    assert ids() == [second.id, vendor_id]
    assert ids(ordering=["-name"]) == ids(ordering=["created_at"]) == [vendor_id, second.id]
    assert ids(search="che") == ids(search="b.EXAMPLE") == [second.id]


def test_get_raises_for_what_is_not_there(vendor_id: UUID, globex: TenantIdentity) -> None:
    with pytest.raises(errors.InvoiceNotFoundError):
        selectors.get_invoice(invoice_id=uuid4())
    with context.tenant(globex), pytest.raises(errors.VendorNotFoundError):
        selectors.get_vendor(vendor_id=vendor_id)
