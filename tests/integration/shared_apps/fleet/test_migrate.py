"""A fleet is migrated: once compiled, replayed for each, whatever one of them holds."""

import pytest
from django.core.management import CommandError
from django.db import connections

from shared_apps.fleet import selectors, status
from shared_apps.fleet.catalogue import objects
from shared_apps.fleet.services import MIGRATION_ALIAS
from tests.fleet import Fleet

ADD_NOTE = """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
"""
INDEX_NOTE = """
operations = [migrations.AddIndex("vendor", models.Index(fields=["note"], name="vendor_by_note"))]
"""
# Without `using`, as most are written: the engine gives it its own connection.
FILL_NOTE = """
# run: Vendor = apps.get_model("invoicing", "Vendor")
# run: Vendor.objects.filter(note="none").update(note="filled")
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
"""


def _vendor(fleet: Fleet, tenant: object, name: str) -> None:
    fleet.execute(
        tenant, f"INSERT INTO invoicing_vendor (id, name) VALUES (gen_random_uuid(), '{name}')"
    )  # type: ignore[arg-type]


def test_three_migrations_reach_every_tenant_and_nothing_is_left_to_do(fleet: Fleet) -> None:
    tenants = fleet.make(5)
    columns = {
        r[0]
        for r in fleet.execute(
            tenants[0],
            "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = 'invoicing_vendor'",
        )
    }
    print(columns)
    fleet.release(_0003_note=ADD_NOTE, _0004_index=INDEX_NOTE, _0005_fill=FILL_NOTE)
    report = fleet.migrate("--jobs", "2")
    assert report["exit"] == ""
    assert len(report["tenants"]) == 7
    assert report["tenants"][0]["applied"] == [
        "invoicing.0003_note", "invoicing.0004_index", "invoicing.0005_fill",
    ]  # fmt: skip
    for tenant in tenants:
        assert fleet.has_column(tenant, "note")
    assert fleet.migrate()["planned"] == 0
    assert status.get_status().behind == []
