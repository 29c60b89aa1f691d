"""A run whose process is killed with -9, or asked to stop, while requests go on."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings
from django.db import connections
from django.test import Client

from scripts.stack.paths import ROOT
from shared_apps.core import context
from shared_apps.fleet import drift, status
from tests.fleet import Fleet

# The second takes its time, so that the process is killed inside it.
TWO_STEPS = {
    "_0003_note": """
operations = [migrations.AddField("vendor", "note", models.CharField(max_length=20, db_default="none"))]
""",
    "_0004_slow": """
operations = [migrations.RunSQL("CREATE TABLE invoicing_slow (id int); SELECT pg_sleep(0.15)")]
""",
}


def _start(fleet: Fleet) -> subprocess.Popen[bytes]:
    """`fleet migrate` of the release, in a process of its own."""
    program = fleet.directory / "run.py"
    source = (ROOT / "manage.py").read_text()
    modules = settings.MIGRATION_MODULES
    prepared = (
        "import sys\nsys.path[:0] = [" + repr(str(ROOT)) + ", " + repr(str(fleet.directory)) + "]\n"
        "from config.settings import test\n"
        f"test.MIGRATION_MODULES = {modules!r}\n"
    )
    program.write_text(prepared + source)
    return subprocess.Popen(
        [sys.executable, str(program), "fleet", "migrate", "--jobs", "2"],
        cwd=ROOT, env=os.environ.copy(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _wait_for_some(fleet: Fleet, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if len(status.get_status().behind) <= len(fleet.tenants) - 2:
            return
        time.sleep(0.05)
    assert process.stderr is not None
    raise AssertionError(process.stderr.read().decode())


def _slow_tables(fleet: Fleet) -> list[tuple[bool, bool]]:
    """(its table is there, its row says so) for each tenant."""
    return [
        (
            bool(fleet.execute(tenant, "SELECT to_regclass(current_schema() || '.invoicing_slow')::text")[0][0]),
            bool(fleet.execute(tenant, "SELECT 1 FROM django_migrations WHERE name = '0004_slow'")),
        )
        for tenant in fleet.tenants
    ]  # fmt: skip


def test_killed_with_9_every_tenant_is_before_or_after_and_the_next_run_goes_on(
    fleet: Fleet,
) -> None:
    fleet.make(16)
    fleet.release(**TWO_STEPS)
    process = _start(fleet)
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
    process = _start(fleet)
    _wait_for_some(fleet, process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors.decode()
    assert "left for the next run" in errors.decode()
    assert status.get_status().last_run is not None
    assert status.get_status().last_run.state == "STOPPED"  # type: ignore[union-attr]  # asserted above
    assert not any(tenant.is_between for tenant in status.get_status().behind)
    assert fleet.migrate()["exit"] == ""


def test_requests_of_other_tenants_never_fail_meanwhile(fleet: Fleet) -> None:
    """Served by the release before, tenants that are migrated already included."""
    fleet.make(12)
    seen: list[int] = []
    over = threading.Event()

    def ask() -> None:
        try:
            while not over.is_set():
                for slug in ("acme", "globex"):
                    with context.nobody():
                        seen.append(
                            Client(HTTP_HOST=f"{slug}.localhost")
                            .get("/api/v1/version-info/")
                            .status_code
                        )
        finally:
            connections.close_all()

    fleet.release(**TWO_STEPS)
    modules = settings.MIGRATION_MODULES
    process = _start(fleet)
    fleet.undo_release()
    assert modules
    thread = threading.Thread(target=ask)
    thread.start()
    try:
        process.communicate(timeout=60)
    finally:
        over.set()
        thread.join()
    assert process.returncode == 0
    assert len(seen) > 10
    assert set(seen) == {200}
