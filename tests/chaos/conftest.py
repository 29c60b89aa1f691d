"""One running product for all outages, on a file system that a test may fill."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scripts.stack.binaries import ensure_binaries
from tests.chaos.system import System
from tests.stack.processes import processes_of

_BYTES = 600 * 2**20


@pytest.fixture(scope="package")
def volume() -> Iterator[Path]:
    """A small file system of our own, where we may mount one; else an ordinary directory."""
    path = Path(tempfile.mkdtemp(prefix="freehold-chaos-")).resolve()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_BYTES},mode=755", "freehold-chaos", path]
    mounted = sys.platform == "linux" and _succeeds(mount)
    yield path
    if mounted:
        subprocess.run(["umount", path], check=True)
    shutil.rmtree(path)


def _succeeds(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False


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
