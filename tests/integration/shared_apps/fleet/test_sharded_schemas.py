"""Schemas written for a node of a Citus cluster, on plain PostgreSQL: what can be shown without one."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import drift
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.sharding import examining
from tests.fleet import Fleet
from tests.installation import Installation

SHARDED = override_settings(DATABASE_SHARDING="citus")
VENDOR = "(id, name, vat_id, email, address, created_at, updated_at, created_by)"


@pytest.fixture
def sharded() -> Iterator[None]:
    with SHARDED:
        yield


def trail(fleet: Fleet, tenant: TenantIdentity) -> list[tuple[Any, ...]]:
    return fleet.execute(
        tenant,
        "SELECT table_name, operation, record_id, old_values, new_values, attribution, database_role"
        " FROM audit_outbox ORDER BY record_id, operation, new_values ->> 'name'",
    )


def change_everything(fleet: Fleet, tenant: TenantIdentity) -> None:
    """Every event, several rows each, a changed key and a change that changes nothing."""
    ids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(1, 6)]
    for n, key in enumerate(ids):
        fleet.execute(
            tenant,
            f"INSERT INTO invoicing_vendor {VENDOR} VALUES"
            f" ('{key}', 'v{n}', '', '', '', '2026-01-01', '2026-01-01', '{ids[0]}')",
        )
    fleet.execute(tenant, "UPDATE invoicing_vendor SET name = name || '!' WHERE name < 'v3'")
    fleet.execute(tenant, "UPDATE invoicing_vendor SET name = name")
    fleet.execute(
        tenant, f"UPDATE invoicing_vendor SET id = '{ids[0][:-1]}9' WHERE id = '{ids[4]}'"
    )
    fleet.execute(tenant, "DELETE FROM invoicing_vendor WHERE name LIKE 'v%!'")
    fleet.execute(tenant, "TRUNCATE invoicing_vendor CASCADE")


def test_the_capture_of_a_node_records_what_the_usual_one_records(fleet: Fleet) -> None:
    (usual,) = fleet.make(1)
    with SHARDED:
        (on_node,) = fleet.make(1)
    for tenant in (usual, on_node):
        change_everything(fleet, tenant)

    recorded = trail(fleet, on_node)
    assert recorded == trail(fleet, usual)
    assert [row[1] for row in recorded].count("CREATE") == 6
    assert [row[1] for row in recorded].count("UPDATE") == 3
    assert [row[1] for row in recorded].count("DELETE") == 6
    body = "SELECT prosrc LIKE '%FOR row IN SELECT%' FROM pg_proc WHERE proname = 'audit_capture'"
    own = " AND pronamespace = current_schema()::regnamespace"
    assert fleet.execute(on_node, body + own) == [(True,)]
    assert fleet.execute(usual, body + own) == [(False,)]


def test_a_shard_is_recorded_under_the_tables_own_name(fleet: Fleet, sharded: None) -> None:
    """There a trigger fires on invoicing_vendor_102008."""
    (tenant,) = fleet.make(1)
    fleet.execute(tenant, "ALTER TABLE invoicing_vendor RENAME TO invoicing_vendor_102008")
    fleet.execute(
        tenant,
        f"INSERT INTO invoicing_vendor_102008 {VENDOR} VALUES (gen_random_uuid(), 'v', '', '', '', now(), now(),"
        " gen_random_uuid())",
    )
    assert [row[0] for row in trail(fleet, tenant)] == ["invoicing_vendor"]


def test_sent_statement_by_statement_the_schema_is_the_same(fleet: Fleet, sharded: None) -> None:
    made = fleet.make(2)
    found, _ = drift.find_differences()
    assert [difference for difference in found if difference.tenant in {t.slug for t in made}] == []
    with context.operator(), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname",
            [[tenant.role for tenant in made]],
        )
        assert cursor.fetchall() == sorted((tenant.role, True) for tenant in made)


def test_a_role_that_may_log_in_has_no_password(fleet: Fleet, sharded: None) -> None:
    (tenant,) = fleet.make(1)
    with psycopg.connect(settings.ADMIN_DATABASE_URL) as admin:
        row = admin.execute(
            "SELECT rolpassword FROM pg_authid WHERE rolname = %s", [tenant.role]
        ).fetchone()
    assert row == (None,)


def test_login_is_given_and_taken_with_the_setting(fleet: Fleet) -> None:
    from shared_apps.fleet import roles

    (tenant,) = fleet.make(1)
    for wanted in (True, True, False):
        with (
            context.operator(),
            transaction.atomic(using=MIGRATION_ALIAS),
            connections[MIGRATION_ALIAS].cursor() as cursor,
        ):
            roles.ensure(cursor, tenant.role, may_log_in=wanted)
            cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [tenant.role])
            assert cursor.fetchone() == (wanted,)


def test_the_doctor_and_the_installer_want_a_cluster(system: Installation, sharded: None) -> None:
    with context.operator():
        (finding,) = examining.find_faults()
    assert finding.problem == "DATABASE_SHARDING is citus, and it has no extension citus"
    with pytest.raises(CommandError, match="has no extension citus") as refused:
        call_command("install", verbosity=0)
    assert "\n" not in str(refused.value)


def test_elsewhere_the_doctor_does_not_ask(system: Installation) -> None:
    with context.operator():
        assert list(examining.find_faults()) == []
