"""Whatever lets a change go unrecorded is found, named and mended."""

import io
import json
from typing import Any

import pytest
from django.core import checks
from django.core.management import call_command
from psycopg import sql

from shared_apps.audit import coverage, triggers
from shared_apps.core import doctor
from shared_apps.core.context import TenantIdentity
from tests.audited import seal
from tests.installation import Installation

_TRIGGER = "CREATE OR REPLACE TRIGGER audit_update AFTER UPDATE ON invoicing_vendor"
_TABLES = " REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT"
_SAYS = "('id', '{}', 'invoicing_vendor', '{}')"

# What somebody does in a tenant's schema → what is then said, of which object.
SABOTAGE = {
    "DROP TRIGGER audit_insert ON invoicing_vendor":
        ("invoicing_vendor", "the trigger for INSERT is missing"),
    "ALTER TABLE invoicing_vendor DISABLE TRIGGER audit_update":
        ("invoicing_vendor", "the trigger for UPDATE is disabled"),
    "ALTER TABLE invoicing_vendor ENABLE REPLICA TRIGGER audit_delete":
        ("invoicing_vendor", "the trigger for DELETE fires under session_replication_role = replica alone"),
    "ALTER TABLE invoicing_vendor ENABLE TRIGGER audit_truncate":
        ("invoicing_vendor", "the trigger for TRUNCATE does not fire under session_replication_role = replica"),
    _TRIGGER + _TABLES
    + " WHEN (false) EXECUTE FUNCTION audit_capture" + _SAYS
    + "; ALTER TABLE invoicing_vendor ENABLE ALWAYS TRIGGER audit_update":
        ("invoicing_vendor", "the trigger for UPDATE has a condition"),
    "CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    + _TRIGGER + _TABLES + " EXECUTE FUNCTION quiet" + _SAYS
    + "; ALTER TABLE invoicing_vendor ENABLE ALWAYS TRIGGER audit_update":
        ("invoicing_vendor", "the trigger for UPDATE calls another function"),
    "CREATE OR REPLACE TRIGGER audit_insert AFTER INSERT ON invoicing_vendor EXECUTE FUNCTION audit_capture"
    "('id', '{}', 'invoicing_vendor', '{}'); ALTER TABLE invoicing_vendor ENABLE ALWAYS TRIGGER audit_insert":
        ("invoicing_vendor", "the trigger for INSERT is made for something else"),
    "CREATE OR REPLACE FUNCTION audit_capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
    " AS 'BEGIN RETURN NULL; END'":
        ("audit_capture()", "is not what this version installs"),
    "ALTER FUNCTION audit_capture SECURITY INVOKER":
        ("audit_capture()", "is not what this version installs"),
    "ALTER FUNCTION audit_capture SET search_path = pg_temp":
        ("audit_capture()", "is not what this version installs"),
    "ALTER FUNCTION audit_capture RESET TimeZone":
        ("audit_capture()", "is not what this version installs"),
}  # fmt: skip

# What only whoever did it can take back.
UNDONE = {
    "CREATE RULE gone AS ON INSERT TO audit_outbox DO INSTEAD NOTHING": ("has a rule", "DROP RULE gone ON audit_outbox"),
    "ALTER TABLE audit_outbox SET UNLOGGED":
        ("is unlogged: a crash would empty it", "ALTER TABLE audit_outbox SET LOGGED"),
    "ALTER TABLE audit_outbox ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY":
        ("has row-level security for its owner", "ALTER TABLE audit_outbox DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"),
    "ALTER TABLE audit_outbox RENAME TO kept": ("is missing", "ALTER TABLE kept RENAME TO audit_outbox"),
}  # fmt: skip


def execute(system: Installation, tenant: TenantIdentity, statement: str) -> None:
    with system.owner() as owner:
        owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(tenant.schema)))
        owner.execute(statement)  # type: ignore[call-overload]  # a test's own text


def status(*arguments: str) -> tuple[int, dict[str, Any]]:
    out = io.StringIO()
    try:
        call_command("audit", "status", "--json", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_an_installation_as_it_is_made_records_every_change(acme: TenantIdentity) -> None:
    assert coverage.find_gaps() == []
    code, told = status()
    assert (code, told["recorded"], told["gaps"]) == (0, True, [])


@pytest.mark.parametrize("statement", SABOTAGE, ids=lambda text: text[:60])
def test_what_was_changed_is_found_everywhere_and_mended(
    system: Installation, globex: TenantIdentity, acme: TenantIdentity, statement: str
) -> None:
    subject, problem = SABOTAGE[statement]
    execute(system, globex, statement)
    try:
        gap = {"tenant": "globex", "schema": globex.schema, "table": subject, "problem": problem}

        code, told = status()
        assert (code, told["recorded"]) == (1, False)
        assert told["gaps"][0] == {**gap, "remedy": "manage.py audit status --repair"}
        assert {found["tenant"] for found in told["gaps"]} == {"globex"}
        found = checks.run_checks(tags=[checks.Tags.database], databases=["default"])
        assert f"globex: {subject}: {problem}" in [error.msg for error in found]
        assert str(doctor.examine()["audit triggers"][0]) == (
            f"globex: {subject}: {problem} → manage.py audit status --repair"
        )
    finally:
        assert status("--repair")[0] == 0
        execute(system, globex, "DROP FUNCTION IF EXISTS quiet()")
    assert coverage.find_gaps() == []


@pytest.mark.parametrize("statement", UNDONE)
def test_an_outbox_that_loses_rows_is_found(
    system: Installation, globex: TenantIdentity, statement: str
) -> None:
    problem, undo = UNDONE[statement]
    execute(system, globex, statement)
    try:
        assert str(next(iter(coverage.find_gaps()))) == f"globex: audit_outbox: {problem}"
    finally:
        execute(system, globex, undo)
    assert coverage.find_gaps() == []


def test_a_shared_table_is_looked_at_too(system: Installation, acme: TenantIdentity) -> None:
    with system.owner() as owner:
        owner.execute("ALTER TABLE accounts_user DISABLE TRIGGER USER")
    try:
        assert {str(gap) for gap in coverage.find_gaps()} == {
            f"shared schema: accounts_user: the trigger for {event} is disabled"
            for event in ("INSERT", "UPDATE", "DELETE", "TRUNCATE")
        }
    finally:
        assert status("--repair")[0] == 0


def test_what_cannot_be_mended_is_said_and_the_rest_is_mended(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    for tenant in (acme, globex):
        execute(system, tenant, "ALTER TABLE invoicing_vendor DISABLE TRIGGER audit_update")
    gaps = coverage.find_gaps()
    assert [gap.tenant for gap in gaps] == ["acme", "globex"]

    with system.owner() as busy:
        busy.execute(f"LOCK TABLE {acme.schema}.invoicing_vendor IN SHARE MODE")
        done = coverage.repair(gaps, report=lambda done, total: None)
    assert [(each.schema, each.tables, each.error) for each in done] == [
        (acme.schema, [], "canceling statement due to lock timeout"),
        (globex.schema, ["invoicing_vendor"], ""),
    ]
    assert [gap.tenant for gap in coverage.find_gaps()] == ["acme"]
    assert status("--repair")[0] == 0


def test_sealing_again_changes_nothing(system: Installation, acme: TenantIdentity) -> None:
    assert seal(acme, triggers.tables(shared=False)) == []
