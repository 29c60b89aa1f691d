"""What was changed by hand in one tenant's schema is named, object by object."""

import pytest

from shared_apps.fleet import drift
from tests.fleet import Fleet


@pytest.mark.parametrize(
    ("change", "kind", "name"),
    [
        ("ALTER TABLE invoicing_vendor ADD COLUMN mine text", "column", "invoicing_vendor.mine"),
        ("ALTER TABLE invoicing_vendor ALTER name TYPE text", "column", "invoicing_vendor.name"),
        ("ALTER TABLE invoicing_vendor ALTER name SET DEFAULT 'x'", "column", "invoicing_vendor.name"),
        ("ALTER TABLE invoicing_invoice DROP CONSTRAINT invoice_adds_up", "constraint", "invoicing_invoice.invoice_adds_up"),
        ("DROP INDEX invoice_by_age", "index", "invoice_by_age"),
        ("DROP TRIGGER audit_insert ON invoicing_vendor", "trigger", "invoicing_vendor.audit_insert"),
        ("ALTER TABLE invoicing_vendor DISABLE TRIGGER audit_insert", "trigger", "invoicing_vendor.audit_insert"),
        ("CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "function", "mine()"),
        ("CREATE SEQUENCE mine", "sequence", "mine"),
        ("GRANT TRUNCATE ON invoicing_vendor TO PUBLIC", "right", "invoicing_vendor PUBLIC"),
        ("CREATE POLICY mine ON invoicing_vendor USING (true)", "policy", "invoicing_vendor.mine"),
        ("CREATE VIEW mine AS SELECT 1", "view", "mine"),
        ("ALTER TABLE invoicing_vendor ENABLE ROW LEVEL SECURITY", "table", "invoicing_vendor"),
    ],
)  # fmt: skip
def test_it_is_named(fleet: Fleet, change: str, kind: str, name: str) -> None:
    (tenant,) = fleet.make(1)
    fleet.execute(tenant, change)
    found, behind = drift.find_differences()
    assert behind == []
    assert (kind, name) in {(difference.kind, difference.name) for difference in found}
    assert {difference.tenant for difference in found} == {tenant.slug}
