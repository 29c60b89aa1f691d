"""The nightly check of the books."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from tenant_apps.invoicing import demo, tasks
from tenant_apps.invoicing.services import lifecycle

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What the tasks log at ERROR. (Celery configures logging anew, which takes caplog's handler off.)"""
    handler, logger = _Lines(), logging.getLogger(tasks.__name__)
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


def _behind_the_triggers(tenant: TenantIdentity, *statements: str) -> None:
    """What only the owner of the tables can do, on purpose."""
    database = settings.DATABASES["migration"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"],
    ) as owner:  # fmt: skip
        owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(tenant.schema)))
        owner.execute("ALTER TABLE invoicing_invoice DISABLE TRIGGER USER")
        for statement in statements:
            owner.execute(statement)
        owner.execute("ALTER TABLE invoicing_invoice ENABLE TRIGGER USER")
        for event in ("insert", "update", "delete", "truncate"):
            owner.execute(f"ALTER TABLE invoicing_invoice ENABLE ALWAYS TRIGGER audit_{event}")


def test_books_in_order_have_no_findings(
    at_acme: TenantIdentity, person: UUID, errors: list[str]
) -> None:
    demo.seed_demo_data(created_by=person, at=NOON)

    assert tasks.check_books() == {"invoices": 5, "findings": 0}
    assert errors == []


def test_tampered_books_are_reported_one_line_a_finding(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity, errors: list[str]
) -> None:
    for _ in range(4):
        lifecycle.issue_invoice(invoice_id=make_draft("10.00"), issued_at=NOON)
    make_draft("1.00")
    _behind_the_triggers(
        at_acme,
        "UPDATE invoicing_invoice SET net = net + 1, amount = amount + 1 WHERE number = 1",
        "UPDATE invoicing_invoice SET number = 9 WHERE number = 2",
    )

    summary = tasks.check_books()

    assert summary == {"invoices": 4, "findings": 3}
    assert errors == [
        "Books: 2026-00001: the amounts are not what the items come to",
        "Books: 2026-00002: the number is missing",
        "Books: 2026-00009: the number is beyond the counter",
    ]


def test_a_number_that_was_given_twice_is_found(
    make_draft: Callable[..., UUID], at_acme: TenantIdentity, errors: list[str]
) -> None:
    for _ in range(2):
        lifecycle.issue_invoice(invoice_id=make_draft("10.00"), issued_at=NOON)
    add = "ALTER TABLE invoicing_invoice ADD CONSTRAINT invoice_number_is_unique UNIQUE (year, number)"
    _behind_the_triggers(
        at_acme,
        "ALTER TABLE invoicing_invoice DROP CONSTRAINT invoice_number_is_unique",
        "UPDATE invoicing_invoice SET number = 1",
    )
    try:
        assert tasks.check_books() == {"invoices": 2, "findings": 2}
    finally:
        _behind_the_triggers(
            at_acme, "UPDATE invoicing_invoice SET number = 2 WHERE id = (SELECT max(id::text)::uuid FROM invoicing_invoice)", add
        )  # fmt: skip
    assert sorted(errors) == [
        "Books: 2026-00001: the number was given more than once",
        "Books: 2026-00002: the number is missing",
    ]


def test_demo_data_is_made_once(at_acme: TenantIdentity, person: UUID) -> None:
    from tenant_apps.invoicing import selectors

    demo.seed_demo_data(created_by=person, at=NOON)
    demo.seed_demo_data(created_by=person, at=NOON)

    assert selectors.list_vendors().count() == 3
    states = selectors.list_invoices().values_list("kind", "status").order_by("kind", "status")
    assert list(states) == [
        ("CREDIT_NOTE", "ISSUED"),
        ("INVOICE", "CREDITED"),
        ("INVOICE", "DRAFT"),
        ("INVOICE", "ISSUED"),
        ("INVOICE", "PAID"),
        ("INVOICE", "VOID"),
    ]
