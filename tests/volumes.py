"""Small file systems, which a test may fill."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

WHY_NOT = "no file system can be mounted here, and filling everybody's is no test"


@contextmanager
def mounted(path: Path, *, size: int) -> Iterator[bool]:
    """A file system of so many bytes at `path`, an empty directory, if we may mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "freehold-test", path]
    is_mounted = sys.platform == "linux" and _succeeds(mount)
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", path], check=True)


def fill(ballast: Path) -> None:
    """Until not a byte is left."""
    block = bytes(2**20)
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(block)
    assert shutil.disk_usage(ballast.parent).free == 0


def _succeeds(command: list[str | Path]) -> bool:
    try:
        return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False
