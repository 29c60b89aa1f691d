"""The summary of invoices: what it says, for whom it is kept, and until when."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from shared_apps.accounts import custom_roles
from shared_apps.accounts import services as accounts
from shared_apps.accounts.choices import Permission
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing.models import Invoice, Vendor
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tests import caches
from tests.client import Api
from tests.integration.tenant_apps.invoicing.lines import line
from tests.people import make_person

ApiFactory = Callable[..., Api]
AT = datetime(2026, 10, 31, 23, 30, tzinfo=UTC)


@pytest.fixture
def redis() -> Iterator[Any]:
    with caches.connect() as client:
        yield client


def make_issued(vendor: UUID, price: str, **options: Any) -> UUID:
    draft = drafts.create_invoice(
        vendor_id=vendor, items=[line("1", price)], created_by=uuid4(), **options
    )
    return lifecycle.issue_invoice(invoice_id=draft.id, issued_at=AT).id


def asked(client: Api, **query: Any) -> tuple[str, Any]:
    answer = client.get("invoices/summary/", **query)
    assert answer.status_code == 200, answer.content
    return answer["X-Cache"], answer.json()["groups"]


def counts(client: Api, **query: Any) -> tuple[str, dict[str, int]]:
    state, groups = asked(client, **query)
    return state, {group["status"]: group["count"] for group in groups}


def test_it_adds_up_in_both_versions(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory
) -> None:
    with context.tenant(acme):
        vendor = vendors.create_vendor(name="Paper AG", created_by=uuid4()).id
        make_issued(vendor, "0.10")
        make_issued(vendor, "99999999.20")
        drafts.create_invoice(
            vendor_id=vendor, items=[line("1", "1000")], created_by=uuid4(), currency="JPY"
        )
    with context.tenant(globex):
        make_issued(vendors.create_vendor(name="Other", created_by=uuid4()).id, "7")

    client = api(acme, "viewer")
    state, groups = asked(client)
    assert state == "MISS"
    euros = {
        "currency": "EUR", "status": "ISSUED", "month": "2026-10", "count": 2,
        "net": "99999999.30", "tax": "18999999.87", "amount": "118999999.17",
    }  # fmt: skip
    assert groups == [
        euros,
        {
            "currency": "JPY", "status": "DRAFT", "month": None, "count": 1,
            "net": "1000", "tax": "190", "amount": "1190",
        },
    ]  # fmt: skip
    assert asked(client) == ("HIT", groups)

    # The same rows in the other shape.
    client.version = "v2"
    state, (first, _) = asked(client)
    assert state == "HIT"
    assert first == {
        "currency": "EUR", "status": "ISSUED", "month": "2026-10", "count": 2,
        "totals": {
            "net": {"amount": "99999999.30", "currency": "EUR"},
            "tax": {"amount": "18999999.87", "currency": "EUR"},
            "gross": {"amount": "118999999.17", "currency": "EUR"},
        },
    }  # fmt: skip
    # Nothing of acme's is globex's.
    assert counts(api(globex, "viewer")) == ("MISS", {"ISSUED": 1})


def test_filters_in_another_order_or_form_are_the_same_question(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    with context.tenant(acme):
        vendor = vendors.create_vendor(name="Paper AG", created_by=uuid4()).id
        make_issued(vendor, "1")
    client = api(acme, "viewer")
    assert counts(client, status="ISSUED", vendor=str(vendor)) == ("MISS", {"ISSUED": 1})
    assert counts(client, vendor=str(vendor).upper(), status="ISSUED", search="") == (
        "HIT",
        {"ISSUED": 1},
    )
    assert counts(client, vendor=str(uuid4()), status="ISSUED") == ("MISS", {})
    assert counts(client, status="DRAFT") == ("MISS", {})
    for wrong in ({"statu": "ISSUED"}, {"status": "NONE"}, {"ordering": "amount"}, {"page": "1"}):
        assert client.get("invoices/summary/", **wrong).status_code == 400


CHANGES: dict[str, Callable[[UUID, UUID], object]] = {
    "a new one": lambda vendor, _: make_issued(vendor, "1"),
    "a step": lambda _, invoice: lifecycle.pay_invoice(invoice_id=invoice, paid_at=AT),
    "update()": lambda _, invoice: Invoice.objects.filter(id=invoice).update(paid_at=AT),
    "bulk_update()": lambda _, invoice: Invoice.objects.bulk_update(
        list(Invoice.objects.filter(id=invoice)), ["due_date"]
    ),
    "bulk_create()": lambda _, __: Vendor.objects.bulk_create(
        [Vendor(name="a", created_by=uuid4()), Vendor(name="b", created_by=uuid4())]
    ),
    "delete()": lambda _, __: Vendor.objects.filter(name="Idle").delete(),
    "of a row": lambda _, __: Vendor.objects.get(name="Idle").delete(),
    "save()": lambda _, __: Vendor.objects.get(name="Idle").save(),
    "the vendor's name": lambda vendor, _: vendors.change_vendor(vendor_id=vendor, name="New"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_seen_by_the_next_read(
    acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory, change: str
) -> None:
    clients = [api(acme, "viewer"), api(globex, "viewer")]
    with context.tenant(acme):
        vendor = vendors.create_vendor(name="Paper AG", created_by=uuid4()).id
        vendors.create_vendor(name="Idle", created_by=uuid4())
        invoice = make_issued(vendor, "5")
    for client in clients:
        assert [asked(client)[0] for _ in range(2)] == ["MISS", "HIT"]

    with context.tenant(acme):
        CHANGES[change](vendor, invoice)

    assert asked(clients[0])[0] == "MISS"
    assert asked(clients[1])[0] == "HIT"  # nothing has changed at globex


def test_a_rollback_changes_nothing_and_a_part_of_one_is_no_reason_to_forget_the_rest(
    acme: TenantIdentity, api: ApiFactory, redis: Any
) -> None:
    client = api(acme, "viewer")
    with context.tenant(acme):
        vendor = vendors.create_vendor(name="Paper AG", created_by=uuid4()).id
    asked(client)
    with context.tenant(acme), transaction.atomic():
        make_issued(vendor, "1")
        transaction.set_rollback(True)
    assert asked(client)[0] == "HIT"
    assert [key for key in caches.everything(redis) if b":writers:" in key] == []

    with context.tenant(acme), transaction.atomic():
        try:
            with transaction.atomic():
                vendors.create_vendor(name="No", created_by=uuid4())
                raise RuntimeError
        except RuntimeError:
            vendors.create_vendor(name="Yes", created_by=uuid4())
    assert asked(client)[0] == "MISS"


def test_what_a_transaction_has_not_committed_is_nobody_elses(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    client = api(acme, "viewer")
    with context.tenant(acme):
        vendor = vendors.create_vendor(name="Paper AG", created_by=uuid4()).id
    with context.tenant(acme), transaction.atomic():
        make_issued(vendor, "1")
        # The test's client shares the connection, so it is in the transaction.
        assert counts(client) == ("MISS", {"ISSUED": 1})
        transaction.set_rollback(True)
    assert counts(client) == ("MISS", {})


def test_equal_permissions_share_and_a_change_of_role_counts_at_the_next_read(
    acme: TenantIdentity, api: ApiFactory
) -> None:
    viewer, editor = api(acme, "viewer"), api(acme, "editor")
    asked(viewer)
    assert asked(editor)[0] == "MISS"  # may do more
    assert asked(viewer)[0] == asked(editor)[0] == "HIT"

    other = make_person(acme, "viewer")
    client = api(acme)
    client.sign_in(other.email, other.password)
    assert asked(client)[0] == "HIT"  # the viewer's

    nothing = custom_roles.create_role(
        tenant_id=acme.id, name="nothing", permissions=[Permission.WRITE], by=None, at=AT
    )
    accounts.change_role(tenant_id=acme.id, user_id=other.id, role=nothing.name, by=None)
    assert client.get("invoices/summary/").status_code == 403
    custom_roles.change_custom_role(
        tenant_id=acme.id, role_id=nothing.pk, name=None, permissions=[Permission.READ], by=None
    )
    assert asked(client)[0] == "HIT"  # as a viewer may


def test_a_hit_costs_no_query_of_invoices(acme: TenantIdentity, api: ApiFactory) -> None:
    client = api(acme, "viewer")
    asked(client)
    with CaptureQueriesContext(connection) as queries:
        assert asked(client)[0] == "HIT"
    assert [q["sql"] for q in queries if "invoicing_invoice" in q["sql"]] == []
