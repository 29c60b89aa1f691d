"""A run whose process is killed with -9, or asked to stop."""

import signal
import subprocess
import time

import pytest

from shared_apps.fleet import drift, status
from tests.fleet import Fleet

# The second takes its time, so that the process is killed inside it.
TWO_STEPS = {
    "_0004_note": """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
""",
    "_0005_slow": """
operations = [migrations.RunSQL("CREATE TABLE invoicing_slow (id int); SELECT pg_sleep(0.15)")]
""",
}


def _wait_for_some(fleet: Fleet, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if len(status.get_status().behind) <= len(fleet.tenants) - 2:
            return
        time.sleep(0.05)
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def _slow_tables(fleet: Fleet) -> list[tuple[bool, bool]]:
    """(its table is there, its row says so) for each tenant."""
    return [
        (
            bool(fleet.execute(tenant, "SELECT to_regclass(current_schema() || '.invoicing_slow')::text")[0][0]),
            bool(fleet.execute(tenant, "SELECT 1 FROM django_migrations WHERE name = '0005_slow'")),
        )
        for tenant in fleet.tenants
    ]  # fmt: skip


def test_killed_with_9_every_tenant_is_before_or_after_and_the_next_run_goes_on(
    fleet: Fleet,
) -> None:
    fleet.make(16)
    fleet.release(**TWO_STEPS)
    process = fleet.start("migrate", "--jobs", "2")
    _wait_for_some(fleet, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)  # the server ends what the process had begun
    there = _slow_tables(fleet)
    assert all(table == row for table, row in there)
    assert any(table for table, _ in there)
    assert not all(table for table, _ in there)
    report = fleet.migrate()
    assert report["exit"] == ""
    assert 0 < len(report["tenants"]) < 18
    assert drift.find_differences() == ([], [])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_finishes_what_it_has_in_hand(fleet: Fleet, number: int) -> None:
    fleet.make(12)
    fleet.release(**TWO_STEPS)
    process = fleet.start("migrate", "--jobs", "2")
    _wait_for_some(fleet, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "left for the next run" in errors
    assert status.get_status().last_run is not None
    assert status.get_status().last_run.state == "STOPPED"  # type: ignore[union-attr]  # asserted above
    assert not any(tenant.is_between for tenant in status.get_status().behind)
    assert fleet.migrate()["exit"] == ""
