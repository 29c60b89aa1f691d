"""The disk runs full under the whole product, and is freed again."""

import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from scripts.stack.ports import free_port
from tests.chaos.load import under_load
from tests.chaos.system import System
from tests.chaos.test_outages import assert_books_are_whole, assert_worker_works, await_more
from tests.e2e.quickstart import Quickstart
from tests.stack.processes import wait_until
from tests.volumes import WHY_NOT, fill

_SECONDS = 30.0


@pytest.fixture
def ballast(volume: Path) -> Path:
    if not volume.is_mount():
        pytest.skip(WHY_NOT)
    return volume / "ballast"


def test_writing_is_refused_until_there_is_space(
    running: System, workers: tuple[list[httpx.Client], list[httpx.Client]], ballast: Path
) -> None:
    with under_load(*workers) as load:
        running.wait_until(lambda: load.successes() > 20, seconds=_SECONDS)
        fill(ballast)
        running.wait_until(lambda: load.count(503) > 20, seconds=_SECONDS)
        ballast.unlink()
        await_more(running, load.successes)

    load.assert_refusals_are_clear()
    assert all(answer.is_success for answer in load.answers if answer.request.method == "GET")
    assert_books_are_whole(running, load)
    assert_worker_works(running)


def test_the_database_has_no_space_in_the_middle_of_a_restore(
    running: System,
    workers: tuple[list[httpx.Client], list[httpx.Client]],
    ballast: Path,
    tmp_path: Path,
) -> None:
    """All of it is taken back, or the message says how to remove what could not be; nobody is served half."""
    with running.connect() as connection:
        connection.execute(
            "INSERT INTO t_globex.invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
            " SELECT gen_random_uuid(), md5(n::text), '', '', repeat(md5(n::text), 6),"
            " gen_random_uuid(), now() FROM generate_series(1, 40000) n"
        )
    archive = str(tmp_path / "globex.tar.gz")
    restore = ("tenant", "restore", archive, "--as", "copy", "--domain", "copy.localhost")
    exported = running.manage("tenant", "export", "globex", "-o", archive)
    assert exported.returncode == 0, exported.stderr
    fill(ballast)
    with ballast.open("r+b") as file:
        file.truncate(ballast.stat().st_size - 12 * 2**20)

    failed = running.manage(*restore)
    ballast.unlink()
    server = running.postgres.process
    assert server is not None
    if not wait_until(running.postgres.is_ready, seconds=5):
        # PostgreSQL stops when there is no space for its log.
        server.wait(30)
        running.start_again(running.postgres)
    state = running.ask("SELECT state FROM tenants_tenant WHERE slug = 'copy'")

    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Traceback" not in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("CommandError: ")
    assert state in ([], [("FAILED",)])
    if state:
        undone = running.manage("tenant", "undo-failed", "copy")
        assert undone.returncode == 0, undone.stderr
    assert running.ask("SELECT 1 FROM pg_namespace WHERE nspname = 't_copy'") == []
    assert running.ask("SELECT 1 FROM tenants_tenant WHERE slug = 'copy'") == []
    restored = running.manage(*restore)
    assert restored.returncode == 0, restored.stderr
    ((vendors,),) = running.ask("SELECT count(*) FROM t_copy.invoicing_vendor")
    assert vendors >= 40000
    # Connections that died are noticed when they are used, and refused once each.
    vendor = {"name": "Nordwind"}
    running.wait_until(
        lambda: all(editor.post("vendors/", json=vendor).is_success for editor in workers[0] * 5),
        seconds=_SECONDS,
    )


def test_a_quickstart_without_space_says_so(volume: Path, ballast: Path) -> None:
    with ExitStack() as clients:
        quickstart = Quickstart(volume / "another", free_port(), clients)
        fill(ballast)
        try:
            refused = quickstart.run("--detach")
        finally:
            ballast.unlink()

    assert refused.returncode == 1
    assert re.fullmatch(r"quickstart: .*(space|MB are free).*\n", refused.stderr)
    assert quickstart.processes() == []
