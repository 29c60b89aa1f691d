"""From draft to the end: statuses, numbers, credit notes, and the trigger behind them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.utils import IntegrityError
from psycopg import sql

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing import errors, selectors
from tenant_apps.invoicing.choices import InvoiceKind, InvoiceStatus
from tenant_apps.invoicing.models import Invoice, InvoiceItem, InvoiceNumberCounter
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tests.integration.tenant_apps.invoicing.lines import line

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _issue(invoice_id: UUID, at: datetime = NOON) -> Invoice:
    return lifecycle.issue_invoice(invoice_id=invoice_id, issued_at=at)


def _pay(invoice_id: UUID, person: UUID) -> Invoice:
    return lifecycle.pay_invoice(invoice_id=invoice_id, paid_at=NOON)


def _void(invoice_id: UUID, person: UUID) -> Invoice:
    return lifecycle.void_invoice(invoice_id=invoice_id, voided_at=NOON)


def _credit(invoice_id: UUID, person: UUID) -> Invoice:
    return lifecycle.credit_invoice(invoice_id=invoice_id, created_by=person, issued_at=NOON)


def test_issue_gives_a_number_a_reference_and_a_due_date(make_draft: Callable[..., UUID]) -> None:
    _issue(make_draft("1.00"))
    invoice_id = make_draft("10.00")

    _issue(invoice_id)

    issued = selectors.get_invoice(invoice_id=invoice_id)
    assert (issued.status, issued.year, issued.number) == (InvoiceStatus.ISSUED, 2026, 2)
    assert (issued.reference, issued.issued_at) == ("2026-00002", NOON)
    assert str(issued.due_date) == "2026-03-31"


def test_issue_refuses_an_issued_one_and_an_empty_one(make_draft: Callable[..., UUID]) -> None:
    issued, empty = make_draft("10.00"), make_draft()
    _issue(issued)

    with pytest.raises(errors.InvoiceNotDraftError):
        _issue(issued)
    with pytest.raises(errors.InvoiceEmptyError):
        _issue(empty)

    assert selectors.get_invoice(invoice_id=empty).status == InvoiceStatus.DRAFT
    assert selectors.list_last_numbers() == {2026: 1}


def test_each_year_and_each_tenant_counts_from_one(
    make_draft: Callable[..., UUID], globex: TenantIdentity, person: UUID
) -> None:
    new_year = datetime(2027, 1, 1, tzinfo=UTC)
    numbers = [_issue(make_draft("1"), at) for at in (NOON, NOON, new_year)]
    with context.tenant(globex):
        vendor = vendors.create_vendor(name="Theirs", created_by=person)
        theirs = drafts.create_invoice(
            vendor_id=vendor.id, items=[line("1", "1")], created_by=person
        )
        first = _issue(theirs.id)

    assert [i.reference for i in numbers] == ["2026-00001", "2026-00002", "2027-00001"]
    assert first.reference == "2026-00001"


@pytest.mark.parametrize(
    ("first", "then"),
    [(_pay, _pay), (_pay, _void), (_void, _pay), (_void, _void), (_void, _credit),
     (_credit, _pay), (_credit, _void), (_credit, _credit)],
)  # fmt: skip
def test_a_life_that_is_over_cannot_go_on(
    make_draft: Callable[..., UUID],
    person: UUID,
    first: Callable[[UUID, UUID], Invoice],
    then: Callable[[UUID, UUID], Invoice],
) -> None:
    invoice_id = make_draft("10.00")
    _issue(invoice_id)
    first(invoice_id, person)
    before = list(Invoice.objects.order_by("id").values())

    with pytest.raises(errors.InvoiceStatusError):
        then(invoice_id, person)

    assert list(Invoice.objects.order_by("id").values()) == before


@pytest.mark.parametrize("step", [_pay, _void, _credit])
def test_a_draft_has_to_be_issued_first(
    make_draft: Callable[..., UUID], person: UUID, step: Callable[[UUID, UUID], Invoice]
) -> None:
    draft = make_draft("10.00")

    with pytest.raises(errors.InvoiceStatusError):
        step(draft, person)

    assert selectors.get_invoice(invoice_id=draft).status == InvoiceStatus.DRAFT


@pytest.mark.parametrize("is_paid", [False, True])
def test_a_credit_note_takes_the_whole_invoice_back(
    make_draft: Callable[..., UUID], person: UUID, is_paid: bool
) -> None:
    invoice_id = make_draft("10.00", "0.05")
    original = _issue(invoice_id)
    if is_paid:
        _pay(invoice_id, person)

    note = _credit(invoice_id, person)

    assert (note.kind, note.status) == (InvoiceKind.CREDIT_NOTE, InvoiceStatus.ISSUED)
    assert (note.original_id, note.reference) == (invoice_id, "2026-00002")
    assert (note.net, note.tax, note.amount) == (-original.net, -original.tax, -original.amount)
    assert [i.quantity for i in note.items.all()] == [Decimal(-1), Decimal(-1)]
    credited = selectors.get_invoice(invoice_id=invoice_id)
    assert (credited.status, credited.credited_at) == (InvoiceStatus.CREDITED, NOON)
    assert credited.credit_note.id == note.id


def test_a_credit_note_can_be_paid_but_neither_voided_nor_credited(
    make_draft: Callable[..., UUID], person: UUID
) -> None:
    invoice_id = make_draft("10.00")
    _issue(invoice_id)
    note = _credit(invoice_id, person)

    for step in (_void, _credit):
        with pytest.raises(errors.CreditNoteError):
            step(note.id, person)
    assert _pay(note.id, person).status == InvoiceStatus.PAID


def test_a_hundred_at_once_are_numbered_without_gap_or_double(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity
) -> None:
    invoice_ids = [make_draft("1.00") for _ in range(100)]

    def issue(invoice_id: UUID) -> int | None:
        try:
            with context.tenant(at_acme):
                return _issue(invoice_id).number
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=20) as threads:
        numbers = list(threads.map(issue, invoice_ids))

    assert sorted(number or 0 for number in numbers) == list(range(1, 101))
    stored = Invoice.objects.order_by("number").values_list("number", flat=True)
    assert list(stored) == list(range(1, 101))
    assert selectors.list_last_numbers() == {2026: 100}


def test_one_invoice_issued_twice_at_once_gets_one_number(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity
) -> None:
    invoice_id = make_draft("1.00")

    def issue(_: int) -> str:
        try:
            with context.tenant(at_acme):
                return _issue(invoice_id).reference or ""
        except errors.InvoiceNotDraftError:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as threads:
        outcomes = list(threads.map(issue, range(8)))

    assert sorted(outcomes) == ["2026-00001", *["refused"] * 7]
    assert InvoiceNumberCounter.objects.get().last_number == 1


def test_a_rolled_back_issue_leaves_no_gap(make_draft: Callable[..., UUID]) -> None:
    first, lost, second = make_draft("1"), make_draft("1"), make_draft("1")
    _issue(first)

    with transaction.atomic():
        assert _issue(lost).number == 2
        transaction.set_rollback(True)

    assert _issue(second).number == 2
    assert selectors.get_invoice(invoice_id=lost).status == InvoiceStatus.DRAFT


_FORBIDDEN = [
    "UPDATE {schema}.invoicing_invoice SET net = net + 1, amount = amount + 1",
    "UPDATE {schema}.invoicing_invoice SET number = number + 1",
    "UPDATE {schema}.invoicing_invoice SET due_date = NULL",
    "UPDATE {schema}.invoicing_invoice SET issued_at = now()",
    "UPDATE {schema}.invoicing_invoice"
    " SET status = 'DRAFT', number = NULL, year = NULL, issued_at = NULL",
    "DELETE FROM {schema}.invoicing_invoice",
    "UPDATE {schema}.invoicing_invoiceitem SET description = 'something else'",
    "DELETE FROM {schema}.invoicing_invoiceitem",
    "INSERT INTO {schema}.invoicing_invoiceitem"
    " SELECT gen_random_uuid(), 99, description, quantity, unit_price, tax_rate, net, tax, invoice_id"
    " FROM {schema}.invoicing_invoiceitem",
]


@pytest.mark.parametrize("as_owner", [False, True])
@pytest.mark.parametrize("statement", _FORBIDDEN)
def test_raw_sql_cannot_change_an_issued_invoice(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity, statement: str, as_owner: bool
) -> None:
    invoice_id = make_draft("10.00")
    _issue(invoice_id)
    before = (list(Invoice.objects.values()), list(InvoiceItem.objects.values()))

    database = settings.DATABASES["migration" if as_owner else "default"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"], autocommit=True,
    ) as psql:  # fmt: skip
        if not as_owner:
            psql.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(at_acme.role)))
        with pytest.raises(psycopg.errors.CheckViolation, match="issued"):
            psql.execute(sql.SQL(statement).format(schema=sql.Identifier(at_acme.schema)))

    assert (list(Invoice.objects.values()), list(InvoiceItem.objects.values())) == before


def test_the_trigger_waits_for_whoever_is_issuing(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity
) -> None:
    invoice_id = make_draft("10.00")

    def add_item() -> str:
        try:
            with context.tenant(at_acme):
                InvoiceItem.objects.create(
                    invoice_id=invoice_id, position=2, description="Slipped in",
                    quantity=1, unit_price=1, tax_rate=0, net=1, tax=0,
                )  # fmt: skip
            return "added"
        except IntegrityError:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        with transaction.atomic():
            _issue(invoice_id)
            attempt = thread.submit(add_item)
            with pytest.raises(TimeoutError):
                attempt.result(timeout=0.5)
        assert attempt.result(timeout=10) == "refused"

    assert InvoiceItem.objects.count() == 1
