"""The disk runs full under the whole product, and is freed again."""

import re
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from scripts.stack.ports import free_port
from tests.chaos.load import under_load
from tests.chaos.system import System
from tests.chaos.test_outages import assert_books_are_whole, assert_worker_works
from tests.e2e.quickstart import Quickstart
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
        worked = load.successes()
        running.wait_until(lambda: load.successes() > worked + 20, seconds=_SECONDS)

    load.assert_refusals_are_clear()
    assert all(answer.is_success for answer in load.answers if answer.request.method == "GET")
    assert_books_are_whole(running, load)
    assert_worker_works(running)


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
