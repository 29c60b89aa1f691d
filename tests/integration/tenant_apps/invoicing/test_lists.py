"""What lists of vendors and invoices can be asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tests.client import Api
from tests.integration.tenant_apps.invoicing.lines import line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MakeApi = Callable[..., Api]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_invoices_are_filtered_searched_and_ordered(
    make_draft: Callable[..., UUID], person: UUID, api: MakeApi,
    acme: TenantIdentity, globex: TenantIdentity, version: str,
) -> None:  # fmt: skip
    cheap, dear, middle = make_draft("1.00"), make_draft("100.00"), make_draft("50.00")
    lifecycle.issue_invoice(invoice_id=dear, issued_at=NOON)
    lifecycle.issue_invoice(invoice_id=cheap, issued_at=NOON)
    other = vendors.create_vendor(name="100% Südfrüchte", created_by=person)
    foreign = drafts.create_invoice(
        vendor_id=other.id, items=[line("1", "7")], created_by=person
    ).id
    with context.nobody():
        clients = {tenant: api(tenant, "viewer") for tenant in (acme, globex)}

        def ids(tenant: TenantIdentity = acme, **asked: Any) -> list[UUID]:
            answer = clients[tenant].get(f"/api/{version}/invoices/", **asked)
            assert answer.status_code == 200, answer.content
            return [UUID(invoice["id"]) for invoice in answer.json()["results"]]

        assert ids() == [foreign, middle, dear, cheap]
        assert ids(ordering="amount") == [cheap, foreign, middle, dear]
        assert ids(ordering="number", status="ISSUED") == [dear, cheap]
        assert ids(ordering="-number", status="ISSUED") == [cheap, dear]
        assert ids(vendor=other.id) == [foreign]
        assert ids(vendor=uuid4()) == []
        assert ids(search="südfr") == ids(search="0%") == [foreign]
        assert ids(search="2026-00002") == [cheap]
        assert ids(search="x%") == []
        assert ids(globex) == []


def test_vendors_are_searched_and_ordered(
    vendor_id: UUID, person: UUID, api: MakeApi, acme: TenantIdentity
) -> None:
    second = vendors.create_vendor(
        name="Abend AG", vat_id="CHE-1", email="a@b.example", created_by=person
    )
    with context.nobody():
        client = api(acme, "viewer")

        def ids(**asked: Any) -> list[UUID]:
            return [UUID(one["id"]) for one in client.get("vendors/", **asked).json()["results"]]

        assert ids() == [second.id, vendor_id]
        assert ids(ordering="-name") == ids(ordering="created_at") == [vendor_id, second.id]
        assert ids(search="che") == ids(search="b.EXAMPLE") == [second.id]
        assert ids(search="ag abend") == [second.id]
        assert ids(search="abend nordwind") == []
