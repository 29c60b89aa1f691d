"""Gathered rows equal the tenants' own, whatever happens to the relay."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.core import context, doctor
from shared_apps.core.context import TenantIdentity
from shared_apps.portfolio import services
from shared_apps.portfolio.models import Invoice, Staleness, Vendor
from tenant_apps.invoicing import models as invoicing
from tests.client import Api
from tests.installation import Installation


def _gathered(tenant: TenantIdentity) -> set[tuple[Any, ...]]:
    with context.operator():
        rows = Invoice.objects.filter(tenant_id=tenant.id)
        return set(rows.values_list("invoice_id", "status", "number", "vendor_name", "amount"))


def _own(tenant: TenantIdentity) -> set[tuple[Any, ...]]:
    with context.tenant(tenant):
        rows = invoicing.Invoice.objects.all()
        return set(rows.values_list("id", "status", "number", "vendor__name", "amount"))


def test_every_kind_of_change_arrives(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID], api: Callable[..., Api],
) -> None:  # fmt: skip
    issued, deleted, kept = (make_invoice(acme, price) for price in ("1.00", "2.50", "3.33"))
    make_invoice(globex)
    editor = api(acme, "editor")
    assert editor.post(f"invoices/{issued}/issue/").status_code == 200
    system.relay()
    assert _gathered(acme) == _own(acme)

    editor.delete(f"invoices/{deleted}/")
    with context.tenant(acme):
        invoicing.Vendor.objects.filter(invoices=kept).update(name="Südwind")
    system.relay()
    assert _gathered(acme) == _own(acme)
    assert {row[3] for row in _gathered(acme)} == {"Nordwind", "Südwind"}
    assert _gathered(globex) == _own(globex)

    with _owner() as owner:
        owner.execute(f"TRUNCATE {acme.schema}.invoicing_vendor CASCADE")
    system.relay()
    assert _gathered(acme) == set()
    with context.operator():
        assert not Vendor.objects.filter(tenant_id=acme.id).exists()
    assert len(_gathered(globex)) == 1


def test_many_changes_in_one_batch_leave_the_last_state(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID]
) -> None:
    invoice_id = make_invoice(acme)
    with context.tenant(acme):
        for currency in ("USD", "JPY", "CHF"):
            invoicing.Invoice.objects.filter(id=invoice_id).update(currency=currency)
    system.relay()
    with context.operator():
        assert Invoice.objects.get(invoice_id=invoice_id).currency == "CHF"


@pytest.mark.parametrize("moment", ["before the audit commit", "after the audit commit"])
def test_killed_relays_lose_and_repeat_nothing(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID], moment: str
) -> None:
    """kill -9 while the relay waits for a lock that the test holds, on either side of the commit."""
    made = {make_invoice(acme) for _ in range(3)}
    hold = _held_chain if moment == "before the audit commit" else _held_portfolio
    with hold(acme):
        relay = subprocess.Popen(
            [sys.executable, "manage.py", "audit", "relay", "--once"], env=os.environ
        )
        try:
            _wait_for_a_waiting_backend(audit=moment == "before the audit commit")
        finally:
            relay.send_signal(signal.SIGKILL)
            relay.wait()
    assert _gathered(acme) == set(), "nothing was committed in the source"

    system.relay()

    assert _gathered(acme) == _own(acme)
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as auditor:
        created = auditor.execute(
            "SELECT record_id, count(*) FROM audit.entry WHERE tenant_id = %s"
            " AND entity_type = 'invoicing.invoice' AND operation = 'CREATE' GROUP BY 1",
            [acme.id],
        ).fetchall()
    assert {(str(id), 1) for id in made} <= set(created)


def test_a_change_that_cannot_be_gathered_does_not_hold_the_trail_up(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID],
    api: Callable[..., Api],
) -> None:  # fmt: skip
    make_invoice(acme)
    with _owner() as owner:
        owner.execute("ALTER TABLE portfolio_invoice ADD CONSTRAINT refuse CHECK (currency = '')")
    try:
        assert system.relay() > 0
        assert (
            api(acme, "admin")
            .get("audit/entries/", entity_type="invoicing.invoice")
            .json()["results"]
        )
        with context.operator():
            assert Staleness.objects.get().tenant_id == acme.id
            (finding,) = doctor.examine()["portfolio"]
        assert finding.subject == "tenant acme"
        assert "refuse" in finding.problem
    finally:
        with _owner() as owner:
            owner.execute("ALTER TABLE portfolio_invoice DROP CONSTRAINT refuse")

    with context.operator():
        call_command(*finding.remedy.split()[1:])
        assert doctor.examine()["portfolio"] == []
    assert _gathered(acme) == _own(acme)


def test_a_rebuild_is_the_same_as_gathering_and_can_be_repeated(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity,
    make_invoice: Callable[..., UUID],
) -> None:  # fmt: skip
    for tenant in (acme, globex):
        make_invoice(tenant)
    system.relay()
    before = _gathered(acme) | _gathered(globex)
    with context.operator():
        Invoice.objects.update(status="WRONG")
        Invoice.objects.create(
            tenant_id=acme.id, invoice_id=uuid4(), vendor_id=uuid4(), net=1, tax=1, amount=2,
            created_at="2026-01-01T00:00Z",
        )  # fmt: skip
        for _ in range(2):
            call_command("portfolio", "rebuild")
            assert _gathered(acme) | _gathered(globex) == before
        with pytest.raises(CommandError, match="no such tenant"):
            call_command("portfolio", "rebuild", "--tenant", "nobody")


def test_a_source_that_is_registered_again_is_gathered_once(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID]
) -> None:
    make_invoice(acme)
    apps.get_app_config("invoicing").ready()

    assert services.rebuild(tenant=acme) == 1


def test_a_rebuild_and_changes_that_still_wait_come_to_the_same(
    system: Installation, acme: TenantIdentity, make_invoice: Callable[..., UUID]
) -> None:
    gone, changed = make_invoice(acme), make_invoice(acme)
    with context.tenant(acme):
        invoicing.Invoice.objects.filter(id=changed).update(currency="USD")
        invoicing.InvoiceItem.objects.filter(invoice_id=gone).delete()
        invoicing.Invoice.objects.filter(id=gone).delete()
    assert services.rebuild(tenant=acme) == 1
    assert _gathered(acme) == _own(acme)
    system.relay()
    assert _gathered(acme) == _own(acme)


def _owner() -> Any:
    database = settings.DATABASES["migration"]
    return psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"],
    )  # fmt: skip


@contextmanager
def _held_chain(tenant: TenantIdentity) -> Iterator[None]:
    """The relay waits inside `audit.append`."""
    audit = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=audit) as admin:
        admin.execute("SELECT FROM audit.chain WHERE tenant_id = %s FOR UPDATE", [tenant.id])
        yield


@contextmanager
def _held_portfolio(tenant: TenantIdentity) -> Iterator[None]:
    """The relay waits after the audit database has committed and before the source has."""
    with _owner() as owner:
        owner.execute(
            "SELECT pg_advisory_xact_lock(hashtext('freehold.portfolio'), hashtext(%s))",
            [str(tenant.id)],
        )
        yield


def _wait_for_a_waiting_backend(*, audit: bool) -> None:
    url = settings.AUDIT_ADMIN_DATABASE_URL if audit else settings.ADMIN_DATABASE_URL
    with psycopg.connect(url, autocommit=True) as admin:
        for _ in range(200):
            waiting = admin.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'freehold relay' AND wait_event_type = 'Lock'"
            ).fetchone()
            if waiting != (0,):
                return
            time.sleep(0.05)
    raise AssertionError("the relay did not get there")
