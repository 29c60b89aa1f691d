"""The whole product's quickstart: killed in its first start, beside another one, on a taken port."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from scripts.stack.ports import free_port
from tests.e2e.quickstart import Quickstart
from tests.stack.processes import wait_until

# What a first start has made when it is killed, from its beginning to its end.
_MOMENTS = ("postgres/data-new-*", "redis", "accounts.json", "logs/web.log", "celerybeat-*")


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as clients:
        yield clients


@pytest.fixture
def quickstart(tmp_path: Path, clients: ExitStack) -> Iterator[Quickstart]:
    stack = Quickstart(tmp_path / "one", free_port(), clients)
    yield stack
    stack.run("--stop")
    assert stack.processes() == []


@pytest.fixture
def other(tmp_path: Path, clients: ExitStack) -> Iterator[Quickstart]:
    stack = Quickstart(tmp_path / "two", free_port(), clients)
    yield stack
    stack.run("--stop")
    assert stack.processes() == []


def test_killed_again_and_again_in_its_first_start_it_comes_up(
    quickstart: Quickstart, other: Quickstart
) -> None:
    for moment in _MOMENTS:
        start = quickstart.begin("--detach")
        reached = wait_until(partial(_has, quickstart.state, moment), seconds=60)
        os.kill(quickstart.supervisor, signal.SIGKILL)
        assert start.wait(30) == 1
        assert reached
        assert wait_until(lambda: quickstart.processes() == [], seconds=15)

    started = quickstart.run("--detach")

    assert (started.returncode, started.stderr) == (0, "")
    assert quickstart.person("acme", "editor").get("vendors/").json()["count"] == 3
    _assert_another_can_run_beside(quickstart, other)


def _has(directory: Path, pattern: str) -> bool:
    return any(directory.glob(pattern))


def _assert_another_can_run_beside(running: Quickstart, other: Quickstart) -> None:
    taken = Quickstart(other.state, running.port, other.clients).run("--detach")
    begun = other.run("--detach")
    other_sees = other.person("acme", "viewer").get("vendors/")
    stopped = other.run("--stop")

    assert taken.returncode == 1
    assert f"Port {running.port} is taken by" in taken.stderr
    assert taken.stderr.count("\n") == 1
    assert (begun.returncode, other_sees.status_code, stopped.returncode) == (0, 200, 0)
    assert other.processes() == []
    assert running.person("acme", "viewer").get("vendors/").status_code == 200
