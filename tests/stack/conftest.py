"""Servers and clones in directories of their own. Nothing here needs Django."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack.binaries import Binaries, ensure_binaries
from tests.stack.processes import processes_of
from tests.stack.small_product import make_clone


@pytest.fixture(scope="session", autouse=True)
def _our_python_is_python3() -> None:
    """Scripts that find another Python would make our virtual environment anew for that one."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    return ensure_binaries()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user can enter; whatever still runs in it at the end is a failure."""
    path = Path(tempfile.mkdtemp(prefix="freehold-test-")).resolve()
    path.chmod(0o755)
    yield path
    left = processes_of(path)
    for process in left:
        os.kill(int(process.split()[0]), 9)
    shutil.rmtree(path)
    assert not left


@pytest.fixture
def clone(place: Path) -> Iterator[Path]:
    """A clone whose path holds a space, with a small product; stopped at the end."""
    path = make_clone(place / "a clone")
    yield path
    subprocess.run(
        [path / "scripts" / "quickstart", "--stop"], check=True, stdout=subprocess.DEVNULL
    )
