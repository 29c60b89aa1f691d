"""PostgreSQL's own programs, pg_dump and pg_restore: whoever has lost everything else has them."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from shared_apps.operations.backup.sources import Source
from shared_apps.operations.errors import ToolError

_LONGEST = 2000  # characters of a program's complaint


class ToolFailedError(Exception):
    """The text is what the program said last."""


def find(name: str) -> Path:
    """Raises ToolError: it is not there."""
    directory = settings.POSTGRES_BIN_DIR
    found = shutil.which(name, path=directory or None)
    if found is None:
        where = f"in POSTGRES_BIN_DIR ({directory})" if directory else "on PATH"
        raise ToolError(
            f"{name} is not {where}: install PostgreSQL's client programs (postgresql-client)"
        )
    return Path(found)


def require_version(name: str, *, server: int) -> None:
    """An older pg_dump refuses a newer server, after a while and in its own words.

    Raises:
        ToolError: it is missing, or older than the server; `server` is a version number as libpq's.
    """
    said = subprocess.run([find(name), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)", said.stdout)
    own = int(found.group(1)) if found else 0
    if own < server // 10000:
        raise ToolError(
            f"{name} is of PostgreSQL {own}, the server of {server // 10000}: install its client"
            " programs, and set POSTGRES_BIN_DIR where several are installed"
        )


def run(name: str, source: Source, arguments: Sequence[str | Path], *, options: str = "") -> None:
    """Run a program as the owner of a database, until it has ended. `options` are of its sessions.

    Raises:
        ToolError: it is not there.
        ToolFailedError: it failed.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment["PGCONNECT_TIMEOUT"] = "10"
    environment["LC_ALL"] = "C"
    environment["PGOPTIONS"] = options
    with tempfile.TemporaryFile() as said:
        ended = subprocess.run(
            [find(name), "--no-password", "--dbname", source.address, *arguments],
            # Not an argument: those are seen by everybody on the machine.
            env={**environment, "PGPASSWORD": source.parameters.get("password", "")},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        if ended.returncode:
            said.seek(max(0, said.tell() - _LONGEST))
            text = said.read().decode(errors="replace")
            raise ToolFailedError(f"{name} of {source.database}: {_complaint(text)}")


def _complaint(text: str) -> str:
    lines = [line for line in text.splitlines() if "error:" in line] or text.splitlines()[-1:]
    return "; ".join(line.strip() for line in lines[:3]) or "it ended without a word"


def inspect(name: str, *arguments: str | Path) -> None:
    """Run a program that needs no server; what it writes is not looked at.

    Raises:
        ToolError, ToolFailedError.
    """
    ended = subprocess.run(
        [find(name), *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    if ended.returncode:
        raise ToolFailedError(_complaint(ended.stderr))
