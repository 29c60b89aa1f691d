"""A fleet is migrated: compiled once, replayed for each, whatever one of them holds."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections
from django.test.utils import CaptureQueriesContext

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import drift, replay, services, status, templates
from shared_apps.fleet.compiling import compile_plan
from shared_apps.fleet.history import History
from shared_apps.fleet.running import Options
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.fleet.tenant_run import Limits
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
UNIQUE_NAME = """
contracts = True
operations = [migrations.AddConstraint("vendor", models.UniqueConstraint(fields=["name"], name="vendor_once"))]
"""


def _add_vendor(fleet: Fleet, tenant: TenantIdentity, name: str) -> None:
    fleet.execute(
        tenant,
        "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_at, created_by)"
        f" VALUES (gen_random_uuid(), '{name}', '', '', '', now(), gen_random_uuid())",
    )


def _states(report: dict[str, Any]) -> dict[str, str]:
    return {tenant["slug"]: tenant["state"] for tenant in report["tenants"]}


def test_three_migrations_reach_every_tenant_and_nothing_is_left_to_do(fleet: Fleet) -> None:
    tenants = fleet.make(3)
    _add_vendor(fleet, tenants[1], "Ada")
    fleet.release(_0004_note=ADD_NOTE, _0005_index=INDEX_NOTE, _0006_fill=FILL_NOTE)
    report = fleet.migrate("--jobs", "2")
    assert report["exit"] == ""
    assert {tuple(tenant["applied"]) for tenant in report["tenants"]} == {
        ("invoicing.0004_note", "invoicing.0005_index", "invoicing.0006_fill")
    }
    assert len(report["tenants"]) == 5
    assert fleet.execute(tenants[1], "SELECT note FROM invoicing_vendor") == [("filled",)]
    assert fleet.migrate()["planned"] == 0
    assert status.get_status().behind == []
    assert drift.find_differences() == ([], [])


def test_rights_are_granted_anew_only_where_something_is_new(fleet: Fleet) -> None:
    """Granting on every table costs a tenant twenty times what a column does."""
    base = templates.ensure_template()
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        applied = replay.applied_in(cursor, fleet.installed["acme"].schema)
    fleet.release(_0004_note=ADD_NOTE)
    assert compile_plan(History(applied), base=base.script, renders=False).sealing == ()
    fleet.release(
        _0004_table="""
operations = [migrations.CreateModel("Fresh", [("id", models.AutoField(primary_key=True))])]
"""
    )
    sealing = compile_plan(History(applied), base=base.script, renders=False).sealing
    assert any("GRANT" in statement for statement in sealing)


def test_a_new_tenant_after_a_release_has_what_the_migrated_ones_have(fleet: Fleet) -> None:
    fleet.release(_0004_note=ADD_NOTE, _0005_index=INDEX_NOTE)
    fleet.migrate()
    fleet.make(1)
    assert drift.find_differences() == ([], [])


def test_nothing_to_do_is_one_query_whatever_the_number_of_tenants(fleet: Fleet) -> None:
    counts = []
    for _ in range(2):
        fleet.make(3)
        with CaptureQueriesContext(connections[MIGRATION_ALIAS]) as queries:
            services.migrate_fleet(Options())
        counts.append(len(queries))
    assert counts == [1, 1]


def test_a_failing_canary_leaves_the_others_alone(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    acme = fleet.installed["acme"]  # the first by name
    for _ in range(2):
        _add_vendor(fleet, acme, "Twice")
    fleet.release(_0004_unique=UNIQUE_NAME, _0005_note=ADD_NOTE)
    report = fleet.migrate("--canary", "1")
    assert _states(report) == {"acme": "failed"}
    assert "canary" in report["exit"]
    assert not fleet.has_column(tenant, "note")


def test_no_tenant_is_started_after_too_many_failures(fleet: Fleet) -> None:
    for tenant in fleet.make(6):
        for _ in range(2):
            _add_vendor(fleet, tenant, "Twice")
    fleet.release(_0004_unique=UNIQUE_NAME)
    report = fleet.migrate("--max-failures", "1", "--jobs", "1")
    assert len([state for state in _states(report).values() if state == "failed"]) == 2
    assert "not started" in report["exit"]


def test_only_the_named_tenant(fleet: Fleet) -> None:
    tenants = fleet.make(2)
    fleet.release(_0004_note=ADD_NOTE)
    assert _states(fleet.migrate("--only", tenants[0].slug)) == {tenants[0].slug: "done"}
    assert not fleet.has_column(tenants[1], "note")
    with pytest.raises(CommandError, match="no such tenant"):
        fleet.migrate("--only", "nobody")


def test_a_tenant_that_is_busy_for_a_moment_is_tried_again(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    fleet.release(_0004_note=ADD_NOTE)
    with fleet.busy(tenant) as release:
        threading.Timer(2.5, release).start()
        summary = services.migrate_fleet(
            Options(only=tenant.slug, limits=Limits(lock_timeout_ms=150, attempts=7))
        )
    assert summary.failed == []
    ((attempts,),) = fleet.execute(
        tenant, f"SELECT attempts FROM public.fleet_outcome WHERE slug = '{tenant.slug}'"
    )
    assert attempts > 1


def test_a_tenant_that_stays_busy_is_named_and_the_others_go_on(fleet: Fleet) -> None:
    tenant, other = fleet.make(2)
    fleet.release(_0004_note=ADD_NOTE)
    with fleet.busy(tenant):
        summary = services.migrate_fleet(Options(limits=Limits(lock_timeout_ms=50, attempts=2)))
    assert [result.slug for result in summary.failed] == [tenant.slug]
    assert "lock timeout" in summary.failed[0].error
    assert fleet.has_column(other, "note")


@pytest.mark.parametrize("way", ["sql", "python"])
def test_a_statement_that_takes_too_long_is_ended(fleet: Fleet, way: str) -> None:
    slow = {
        "sql": "operations = [migrations.RunSQL('SELECT pg_sleep(0.4)')]",
        "python": """
# run: schema_editor.execute("SELECT pg_sleep(0.4)")
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
""",
    }
    fleet.release(_0004_slow=slow[way])
    summary = services.migrate_fleet(
        Options(only="acme", limits=Limits(statement_timeout_ms=100, attempts=1))
    )
    assert [result.slug for result in summary.failed] == ["acme"]
    assert "statement timeout" in summary.failed[0].error


def test_two_runs_share_the_work_and_do_nothing_twice(fleet: Fleet) -> None:
    tenants = fleet.make(10)
    fleet.release(_0004_note=ADD_NOTE, _0005_fill=FILL_NOTE)
    summaries: list[Any] = []
    _together(lambda: summaries.append(services.migrate_fleet(Options(jobs=1, canary=0))), 2)
    assert [summary.failed for summary in summaries] == [[], []]
    applied = [result.slug for summary in summaries for result in summary.results if result.applied]
    assert sorted(applied) == sorted(t.slug for t in [*tenants, *fleet.installed.values()])


def test_a_run_that_is_stopped_finishes_what_it_has_in_hand_and_the_next_goes_on(
    fleet: Fleet,
) -> None:
    fleet.make(4)
    fleet.release(_0004_note=ADD_NOTE)
    stop = threading.Event()
    first = services.migrate_fleet(
        Options(jobs=1, canary=0), on_result=lambda *_: stop.set(), stop=stop
    )
    assert (first.state, len(first.results)) == ("STOPPED", 1)
    second = services.migrate_fleet(Options())
    assert (second.state, len(second.results)) == ("DONE", 5)


def _together(work: Callable[[], None], number: int) -> None:
    def in_context() -> None:
        try:
            with context.operator():
                work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=in_context) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)


CONCURRENT = """
atomic = False
operations = [AddIndexConcurrently("vendor", models.Index(fields=["name", "id"], name="vendor_by_name_id"))]
"""


def test_an_index_is_made_concurrently_and_an_invalid_one_is_made_again(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    # What a killed CREATE INDEX CONCURRENTLY leaves; here a unique one that finds duplicates.
    for _ in range(2):
        _add_vendor(fleet, tenant, "Twice")
    with pytest.raises(Exception, match="could not create unique index"):
        fleet.execute(
            tenant, "CREATE UNIQUE INDEX CONCURRENTLY vendor_by_name_id ON invoicing_vendor (name)"
        )
    fleet.release(_0004_index=CONCURRENT, _0005_note=ADD_NOTE)
    assert fleet.migrate()["exit"] == ""
    assert fleet.execute(
        tenant,
        "SELECT indisvalid, indisunique FROM pg_index WHERE indexrelid = 'vendor_by_name_id'::regclass",
    ) == [(True, False)]
    assert drift.find_differences() == ([], [])


# Django asks the database for the name of the key that it drops.
FORGET_THE_KEY = """
contracts = True
operations = [
    migrations.AlterField("invoice", "vendor", models.ForeignKey("invoicing.vendor", models.PROTECT, related_name="invoices", db_constraint=False)),
]
"""


def test_names_that_django_looks_up_are_found_for_every_tenant(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    keys = (
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f'"
        " AND conrelid = 'invoicing_invoice'::regclass AND confrelid = 'invoicing_vendor'::regclass"
    )
    assert fleet.execute(tenant, keys) == [(1,)]
    fleet.release(_0004_key=FORGET_THE_KEY)
    assert fleet.migrate()["exit"] == ""
    assert fleet.execute(tenant, keys) == [(0,)]


DIVIDED = """
operations = [
    migrations.SeparateDatabaseAndState(
        database_operations=[migrations.RunSQL("ALTER TABLE invoicing_vendor ADD COLUMN note text -- why not")],
        state_operations=[migrations.AddField("vendor", "note", models.TextField(null=True))],
    ),
    migrations.RunSQL("UPDATE invoicing_vendor SET note = '100%; ok'"),
]
"""


def test_state_and_database_apart_and_sql_as_it_is(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    _add_vendor(fleet, tenant, "Ada")
    fleet.release(_0004_divided=DIVIDED)
    assert fleet.migrate()["exit"] == ""
    assert fleet.execute(tenant, "SELECT note FROM invoicing_vendor") == [("100%; ok",)]


def test_what_a_schemas_own_rows_say_wins_over_the_ledger(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    fleet.release(_0004_note=ADD_NOTE)
    assert fleet.migrate()["exit"] == ""
    fleet.execute(tenant, "DELETE FROM django_migrations WHERE name = '0004_note'")
    fleet.execute(tenant, "ALTER TABLE invoicing_vendor DROP COLUMN note")
    assert status.get_status().behind == []
    assert status.verify() == [tenant.slug]
    assert _states(fleet.migrate()) == {tenant.slug: "done"}
    assert status.verify() == []
    assert drift.find_differences() == ([], [])


def test_code_that_is_older_than_the_database_touches_nothing(fleet: Fleet) -> None:
    fleet.release(_0004_note=ADD_NOTE)
    fleet.migrate()
    fleet.undo_release()
    with pytest.raises(CommandError, match=r"newer code has applied invoicing\.0004_note"):
        fleet.migrate()


def test_a_plan_is_shown_and_changes_nothing(fleet: Fleet) -> None:
    from shared_apps.fleet import planning

    (tenant,) = fleet.make(1)
    fleet.release(
        _0004_note=ADD_NOTE,
        _0005_unique="operations = [migrations.DeleteModel('invoicenumbercounter')]",
    )
    plan = planning.plan_run()
    assert plan.groups[0].migrations == ("invoicing.0004_note", "invoicing.0005_unique")
    assert len(plan.groups[0].tenants) == 3
    assert "0005_unique" in plan.breakages[0]
    assert not fleet.has_column(tenant, "note")


def test_the_ledger_and_templates_are_read_only_for_the_application(fleet: Fleet) -> None:
    """A template runs with the owner's rights."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM fleet_schematemplate")
        for table in ("fleet_schematemplate", "fleet_schemaversion", "fleet_spareschema", "fleet_run", "fleet_outcome"):  # fmt: skip
            with pytest.raises(Exception, match="permission denied"):
                cursor.execute(f"DELETE FROM {table}")


def test_an_undeclared_seed_is_made_anew_for_each_tenant(fleet: Fleet) -> None:
    seed = """
# run: apps.get_model("invoicing", "Vendor").objects.create(name="House", created_by="00000000-0000-0000-0000-000000000001")
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
"""
    fleet.release(_0004_seed=seed)
    assert "0004_seed leaves rows in invoicing_vendor" in templates.ensure_template().refusal
    one, other = fleet.make(2)
    ids = [
        fleet.execute(tenant, "SELECT id, name FROM invoicing_vendor") for tenant in (one, other)
    ]
    assert [rows[0][1] for rows in ids] == ["House", "House"]
    assert ids[0] != ids[1]


def test_a_declared_seed_is_part_of_the_template(fleet: Fleet) -> None:
    seed = """
# run: apps.get_model("invoicing", "Vendor").objects.create(id="00000000-0000-0000-0000-000000000001", name="It's 100% \\\\ House", created_by="00000000-0000-0000-0000-000000000001")
seeds_tenants = True
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
"""
    fleet.release(_0004_seed=seed)
    assert templates.ensure_template().refusal == ""
    (tenant,) = fleet.make(1)
    assert fleet.execute(tenant, "SELECT name FROM invoicing_vendor") == [("It's 100% \\ House",)]


# Broken by what the function writes, noticed at COMMIT.
ORPHAN = """
# run: Item = apps.get_model("invoicing", "Vendor")
# run: Item.objects.update(name="changed")
# run: schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")
# run: schema_editor.execute("INSERT INTO kept (parent) SELECT 7 FROM invoicing_vendor")
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
"""
KEPT = """
operations = [migrations.RunSQL("CREATE TABLE kept (id int PRIMARY KEY, parent int REFERENCES kept (id) DEFERRABLE INITIALLY DEFERRED); ALTER TABLE kept ALTER id ADD GENERATED ALWAYS AS IDENTITY")]
"""


def test_what_fails_at_its_commit_is_undone_and_another_run_can_have_the_schema(
    fleet: Fleet,
) -> None:
    """The COMMIT is part of the last message, and so is what gives the schema back."""
    tenant, other = fleet.make(2)
    _add_vendor(fleet, tenant, "Ada")
    fleet.release(_0004_kept=KEPT, _0005_orphan=ORPHAN)
    report = fleet.migrate()
    assert _states(report)[tenant.slug] == "failed"
    assert sorted(_states(report).values()) == ["done"] * 3 + ["failed"]
    assert "violates foreign key constraint" in report["exit"] or any(
        "violates foreign key constraint" in each["error"] for each in report["tenants"]
    )
    assert fleet.execute(tenant, "SELECT name FROM invoicing_vendor") == [("Ada",)]
    assert [tenant.slug] == [each.slug for each in status.get_status().behind]
    assert _locks(fleet, other) == []
    fleet.execute(tenant, "DELETE FROM invoicing_vendor")
    assert _states(fleet.migrate()) == {tenant.slug: "done"}


def test_a_schema_that_lost_its_history_fails_alone_and_is_left_as_it_is(fleet: Fleet) -> None:
    tenant, _ = fleet.make(2)
    fleet.execute(tenant, "ALTER TABLE django_migrations RENAME TO lost")
    fleet.release(_0004_note=ADD_NOTE)
    report = fleet.migrate()
    assert _states(report)[tenant.slug] == "failed"
    assert sorted(_states(report).values()) == ["done"] * 3 + ["failed"]
    lost = "SELECT to_regclass(current_schema() || '.django_migrations')::text"
    assert fleet.execute(tenant, lost) == [(None,)]
    assert _locks(fleet, tenant) == []
    fleet.execute(tenant, "ALTER TABLE lost RENAME TO django_migrations")
    assert _states(fleet.migrate()) == {tenant.slug: "done"}


def _locks(fleet: Fleet, tenant: TenantIdentity) -> list[tuple[Any, ...]]:
    """Schemas of this database that are still somebody's to work on."""
    return fleet.execute(
        tenant,
        "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory'"
        " AND classid = hashtext('freehold.schema')::oid"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )


SAY_WHERE = """
# run: cursor = schema_editor.connection.cursor()
# run: cursor.execute("UPDATE invoicing_vendor SET vat_id = pg_backend_pid(), email = current_setting('lock_timeout'), address = current_setting('statement_timeout')")
operations = [migrations.RunPython(run, migrations.RunPython.noop)]
"""


def test_a_connection_that_has_met_enough_tenants_is_replaced_and_keeps_the_limits(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections.settings[MIGRATION_ALIAS], "TENANTS_PER_CONNECTION", 1)
    tenants = fleet.make(3)
    for tenant in tenants:
        _add_vendor(fleet, tenant, "Ada")
    fleet.release(_0004_where=SAY_WHERE)
    report = fleet.migrate("--jobs", "1", "--lock-timeout", "1234", "--statement-timeout", "56789")
    assert report["exit"] == ""
    found = [
        fleet.execute(tenant, "SELECT vat_id, email, address FROM invoicing_vendor")[0]
        for tenant in tenants
    ]
    assert {(lock, statement) for _, lock, statement in found} == {("1234ms", "56789ms")}
    assert len({pid for pid, _, _ in found}) > 1
