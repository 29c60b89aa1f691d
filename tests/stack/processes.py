"""See which processes belong to a directory, and run code as somebody else."""

# Sockets load it when first used; a forked child may be unable to reach our Python by then.
import encodings.idna  # noqa: F401
import os
import pwd
import time
import traceback
from collections.abc import Callable
from pathlib import Path


def processes_of(directory: Path) -> list[str]:
    """Live processes that work in the directory or name it in their command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            works_in = str((process / "cwd").readlink())
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        belongs = str(directory) in command or works_in.startswith(str(directory))
        if belongs and state != "Z" and int(process.name) != os.getpid():
            found.append(f"{process.name} {command}")
    return found


def wait_until(condition: Callable[[], bool], *, seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def assert_none_left(directory: Path, *, seconds: float = 10) -> None:
    gone = wait_until(lambda: not processes_of(directory), seconds=seconds)
    assert gone, processes_of(directory)


def fork(function: Callable[[], None], *, user: str | None = None) -> int:
    """Run a function in a child, as another user if named; exits 0 unless it raises.

    Forked and not started anew, because another user may be unable to reach our Python.
    """
    child = os.fork()
    if child:
        return child
    try:
        if user is not None:
            entry = pwd.getpwnam(user)
            os.setgroups([])
            os.setgid(entry.pw_gid)
            os.setuid(entry.pw_uid)
        function()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
