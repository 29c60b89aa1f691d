"""Reads: what is not there, and that a list costs the same number of queries however long it is."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing import errors, selectors, serializers
from tenant_apps.invoicing.services import lifecycle

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


def test_get_raises_for_what_is_not_there(vendor_id: UUID, globex: TenantIdentity) -> None:
    with pytest.raises(errors.InvoiceNotFoundError):
        selectors.get_invoice(invoice_id=uuid4())
    with context.tenant(globex), pytest.raises(errors.VendorNotFoundError):
        selectors.get_vendor(vendor_id=vendor_id)
