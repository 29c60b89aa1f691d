"""PostgreSQL processes that their owner left behind.

To be called by the owner of the directory only: a server that then runs on it is no one's.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from scripts.stack.errors import StackError
from scripts.stack.process import is_alive


def end_orphans(data: Path) -> None:
    """Wait until no server runs on this data directory, and end one that does not go by itself.

    After `kill -9` of its owner a server is already shutting down, and needs a moment.
    """
    for number, seconds in ((None, 8.0), (signal.SIGQUIT, 8.0), (signal.SIGKILL, 5.0)):
        if number is not None:
            for pid in _running(data):
                _send(pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _running(data):
                return
            time.sleep(0.05)
    raise StackError(f"A PostgreSQL server that cannot be ended runs on {data}")


def remove_stale_pid_file(data: Path) -> None:
    """Remove the file of a postmaster that is gone, though another program has its number now.

    PostgreSQL would refuse to start; usual after a restart of a container, where numbers recur.
    """
    if sys.platform == "linux" and not _running(data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _running(data: Path) -> list[int]:
    if sys.platform != "linux":
        return _running_by_pid_file(data)
    # Every process of a server works in its data directory; backends can outlive a postmaster
    # that was killed, for a moment.
    found = []
    for process in Path("/proc").iterdir():
        try:
            if (
                process.name.isdecimal()
                and (process / "exe").readlink().name.startswith("postgres")
                and (process / "cwd").samefile(data)
            ):
                found.append(int(process.name))
        except OSError:  # Gone, or another user's and so not ours.
            continue
    return found


def _running_by_pid_file(data: Path) -> list[int]:
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, NotADirectoryError, IndexError, ValueError):
        return []
    return [pid] if is_alive(pid) else []


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
