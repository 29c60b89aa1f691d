"""`audit reconcile`: each table of a tenant, rebuilt from its trail, equals the live table; or it says where not."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from psycopg import sql

from shared_apps.audit.reconciling import checking
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.services import TenantRequest, create_tenant
from tenant_apps.invoicing.models import (
    Invoice,
    InvoiceItem,
    InvoiceNumberCounter,
    InvoicingPolicy,
    Vendor,
)
from tenant_apps.invoicing.services import drafts, lifecycle, vendors
from tenant_apps.jobs.models import Job
from tests.audit_chains import administrator
from tests.installation import PASSWORD, Installation
from tests.integration.tenant_apps.invoicing.lines import line
from tests.made_tenants import removed_afterwards

_PERSON = UUID(int=7)


@pytest.fixture
def pair(system: Installation) -> Iterator[tuple[TenantIdentity, TenantIdentity]]:
    """Tenants whose trails nothing was taken out of: the suite empties acme and globex without a word."""
    with removed_afterwards(system):
        yield _make("initech"), _make("umbrella")


def _make(slug: str) -> TenantIdentity:
    request = TenantRequest(
        slug=slug, name=slug, domains=(f"{slug}.localhost",), admin_email=f"admin@{slug}.example",
        admin_password=PASSWORD,
    )  # fmt: skip
    with context.operator(), attribution.acting(attribution.command("test")):
        return create_tenant(request=request, at=datetime.now(UTC)).identity


def _reconcile(*tenants: TenantIdentity, **options: Any) -> tuple[int, dict[str, Any]]:
    """Exit code, and what was found."""
    output = StringIO()
    code = 0
    try:
        call_command(
            "audit", "reconcile", "--json", *(f"--tenant={t.slug}" for t in tenants), stdout=output,
            stderr=StringIO(), **options,
        )  # fmt: skip
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, json.loads(output.getvalue())


def _differences(found: dict[str, Any], tenant: TenantIdentity) -> dict[str, list[Any]]:
    (result,) = (t for t in found["tenants"] if t["slug"] == tenant.slug)
    return {
        table["table"]: [(d["record_id"], d["kind"], d["columns"]) for d in table["differences"]]
        for table in result["tables"]
        if table["count"]
    }


def _vendor(name: str) -> Vendor:
    return vendors.create_vendor(name=name, created_by=_PERSON)


def _write_in_every_way(tenant: TenantIdentity) -> None:
    """Rows of every table: by services, in bulk, by SQL, taken back, with another key, emptied."""
    with context.tenant(tenant):
        partner = _vendor("Nordwind GmbH")
        items = [line("3", "10.005"), line("1", "0.10")]
        made = [
            drafts.create_invoice(vendor_id=partner.id, items=items, created_by=_PERSON)
            for _ in range(4)
        ]
        lifecycle.issue_invoice(invoice_id=made[0].id, issued_at=datetime.now(UTC))
        drafts.delete_invoice(invoice_id=made[1].id)
        drafts.change_invoice(invoice_id=made[2].id, items=[line("7", "1.10")])
        Vendor.objects.bulk_create(
            Vendor(name=f"bulk {n}", address='"\\ü\n\U0001f600' * 3, created_by=_PERSON)
            for n in range(300)
        )
        Vendor.objects.filter(name__startswith="bulk 1").update(vat_id="DE1")
        Vendor.objects.filter(name__startswith="bulk 2").delete()
        some = list(Vendor.objects.filter(name__startswith="bulk 3"))
        for vendor in some:
            vendor.email = "three@vendor.example"
        Vendor.objects.bulk_update(some, ["email"])
        InvoiceNumberCounter.objects.create(year=1901, last_number=5)
        try:
            with transaction.atomic():
                _vendor("taken back")
                raise LookupError
        except LookupError:
            pass
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO invoicing_invoicenumbercounter (id, year, last_number) VALUES (%s, 1901, 9)"
                " ON CONFLICT (year) DO UPDATE SET last_number = excluded.last_number",
                [uuid4()],
            )
            cursor.execute(
                "UPDATE invoicing_vendor SET id = gen_random_uuid() WHERE name LIKE 'bulk 4%'"
            )
            with cursor.copy(
                "COPY invoicing_vendor (id, name, vat_id, email, address, created_at, created_by) FROM STDIN"
            ) as copy:
                for number in range(50):
                    copy.write_row(
                        (uuid4(), f"copied {number}", "", "", "", datetime.now(UTC), _PERSON)
                    )


def _empty(system: Installation, tenant: TenantIdentity, table: str) -> None:
    with system.owner() as owner:
        owner.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(tenant.schema, table)))


def test_every_table_is_what_its_trail_says(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    one, other = pair
    for tenant in pair:
        _write_in_every_way(tenant)
    system.relay()
    _empty(system, other, "invoicing_invoicenumbercounter")
    with context.tenant(one):  # these wait in the outbox
        Vendor.objects.filter(name="bulk 10").update(name="renamed")
        Vendor.objects.filter(name="bulk 11").delete()
        _vendor("newest")

    code, found = _reconcile(*pair)

    assert (code, found["equal"]) == (0, True)
    rows = {
        tenant["slug"]: {table["table"]: table["rows"] for table in tenant["tables"]}
        for tenant in found["tenants"]
    }
    for tenant in pair:
        with context.tenant(tenant):
            assert rows[tenant.slug] == {
                model._meta.db_table: model.objects.count()
                for model in (
                    Invoice,
                    InvoiceItem,
                    InvoiceNumberCounter,
                    InvoicingPolicy,
                    Job,
                    Vendor,
                )
            }
    assert rows["umbrella"]["invoicing_invoicenumbercounter"] == 0
    assert [tenant["waiting"] for tenant in found["tenants"]] == [3, 2]
    assert [tenant["baseline"] for tenant in found["tenants"]] == ["first entry"] * 2


def test_what_was_changed_behind_the_triggers_is_named(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    one, other = pair
    for tenant in pair:
        with context.tenant(tenant):
            for name in ("changed", "gone", "deleted", "same"):
                _vendor(name)
    with context.tenant(one):
        ids = dict(Vendor.objects.values_list("name", "id"))
        Vendor.objects.filter(name="deleted").delete()
    system.relay()
    vendor = sql.Identifier(one.schema, "invoicing_vendor")
    insert = (
        "INSERT INTO {} (id, name, vat_id, email, address, created_at, created_by)"
        " VALUES (%s, %s, '', '', '', now(), gen_random_uuid())"
    )
    unknown = uuid4()
    with system.owner() as owner:
        owner.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(vendor))
        owner.execute(
            sql.SQL("UPDATE {} SET name = 'other', vat_id = 'X' WHERE id = %s").format(vendor),
            [ids["changed"]],
        )
        owner.execute(sql.SQL("DELETE FROM {} WHERE id = %s").format(vendor), [ids["gone"]])
        owner.execute(sql.SQL(insert).format(vendor), [ids["deleted"], "deleted"])
        owner.execute(sql.SQL(insert).format(vendor), [unknown, "unknown"])

    code, found = _reconcile(one, other)

    assert (code, found["equal"]) == (1, False)
    assert _differences(found, other) == {}
    assert _differences(found, one) == {
        "invoicing_vendor": sorted(
            [
                (str(ids["changed"]), "changed", ["name", "vat_id"]),
                (str(ids["gone"]), "missing", []),
                (str(ids["deleted"]), "deleted", []),
                (str(unknown), "unrecorded", []),
            ]
        )
    }
    assert _reconcile(one, table=["invoicing_invoice"])[0] == 0


def test_nothing_is_found_while_others_write_and_the_relay_works(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    stopping = threading.Event()

    def until_stopped(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                while not stopping.is_set():
                    work()
            finally:
                connections.close_all()

        return run

    def write(tenant: TenantIdentity) -> Callable[[], None]:
        def work() -> None:
            with context.tenant(tenant), transaction.atomic():
                _vendor("new")
                first = Vendor.objects.order_by("id").first()
                Vendor.objects.filter(id=first.id if first else None).update(name=uuid4().hex)
                if Vendor.objects.count() > 50:
                    Vendor.objects.filter(name="new").delete()

        return work

    for tenant in pair:
        write(tenant)()
    works = [write(pair[0]), write(pair[0]), write(pair[1]), system.relay]
    threads = [threading.Thread(target=until_stopped(work)) for work in works]
    for thread in threads:
        thread.start()
    try:
        results = [_reconcile(*pair) for _ in range(8)]
    finally:
        stopping.set()
        for thread in threads:
            thread.join()

    assert [_differences(found, tenant) for _, found in results for tenant in pair] == [{}] * 16
    assert [code for code, _ in results] == [0] * 8
    ends = [found["tenants"][0]["up_to"] for _, found in results]
    assert len(set(ends)) > 1, "nothing was moved meanwhile"


def test_a_migration_that_changes_columns_is_no_difference(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    one, _ = pair
    _write_in_every_way(one)
    system.relay()
    counter = sql.Identifier(one.schema, "invoicing_invoicenumbercounter")
    with system.owner() as owner:
        for change in (
            "ADD COLUMN note text NOT NULL DEFAULT 'new'",
            "ALTER COLUMN last_number TYPE numeric(12, 2)",
        ):
            owner.execute(sql.SQL("ALTER TABLE {} ").format(counter) + sql.SQL(change))

    assert _reconcile(one)[0] == 0

    with system.owner() as owner:
        owner.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(counter))
        owner.execute(sql.SQL("UPDATE {} SET last_number = 9.01 WHERE year = 1901").format(counter))

    code, found = _reconcile(one)
    ((_, kind, columns),) = _differences(found, one)["invoicing_invoicenumbercounter"]
    assert (code, kind, columns) == (1, "changed", ["last_number"])


def test_rows_that_are_older_than_the_trail_are_counted(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    """As after retention has taken the oldest entries."""
    one, _ = pair
    with context.tenant(one):
        for name in ("old", "older"):
            _vendor(name)
        system.relay()
        _vendor("new")
        Vendor.objects.filter(name="older").update(name="changed since")
    system.relay()
    with administrator() as admin:
        admin.execute(
            "DELETE FROM audit.entry WHERE tenant_id = %s AND sequence < (SELECT max(sequence) - 1"
            " FROM audit.entry WHERE tenant_id = %s)",
            [one.id, one.id],
        )

    code, found = _reconcile(one)

    (tenant,) = found["tenants"]
    assert (code, tenant["baseline"]) == (0, "pruned")
    assert {t["table"]: t["unproven"] for t in tenant["tables"]}["invoicing_vendor"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tenant": ["nobody"]}, "there is no tenant with a schema called nobody"),
        ({"table": ["accounts_user"]}, "no audited table of tenants: accounts_user"),
    ],
)
def test_what_is_not_there_is_one_line(
    system: Installation, options: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("audit", "reconcile", **options)


def test_people_read_it_too(
    system: Installation, pair: tuple[TenantIdentity, TenantIdentity]
) -> None:
    system.relay()
    output = StringIO()

    call_command("audit", "reconcile", tenant=[pair[0].slug], stdout=output, stderr=StringIO())

    *tables, last = output.getvalue().splitlines()
    assert [row.split()[:3] for row in tables] == [
        ["ok", "initech", table] for table in checking.known_tables()
    ]
    assert last.endswith("rows of 1 tenants, all as in the trail")
