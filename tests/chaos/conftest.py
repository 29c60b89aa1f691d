"""One running product for all outages, on a file system that a test may fill."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.stack.binaries import ensure_binaries
from tests.chaos.system import System
from tests.stack.processes import processes_of
from tests.volumes import mounted

_BYTES = 600 * 2**20


@pytest.fixture(scope="package")
def volume() -> Iterator[Path]:
    """A small file system of our own, where we may mount one; else an ordinary directory."""
    path = Path(tempfile.mkdtemp(prefix="freehold-chaos-")).resolve()
    with mounted(path, size=_BYTES):
        yield path
    shutil.rmtree(path)


@pytest.fixture(scope="package")
def running(volume: Path) -> Iterator[System]:
    """The running product, which a test leaves whole."""
    system = System(volume / "state", binaries=ensure_binaries())
    try:
        system.start()
        yield system
    finally:
        system.stop()
        left = processes_of(volume)
    assert not left


@pytest.fixture
def workers(running: System) -> tuple[list[httpx.Client], list[httpx.Client]]:
    """Four who write, two who read."""
    return (
        [running.person("acme", "editor") for _ in range(4)],
        [running.person("acme", "viewer") for _ in range(2)],
    )
