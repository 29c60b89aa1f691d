"""Start children that cannot outlive this process, and stop them within a deadline."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from scripts.stack import linux
from scripts.stack.privileges import Identity

_PR_SET_PDEATHSIG = 1


def die_with_parent(*, parent: int, death_signal: signal.Signals = signal.SIGKILL) -> None:
    """Let the kernel send `death_signal` to this process when `parent` dies, however it dies.

    Linux only; elsewhere an owner that was killed with -9 leaves its servers behind, and the
    next start on the same directory ends them.
    """
    if sys.platform != "linux":
        return
    linux.prctl(_PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:  # It died before we asked: the signal will never come.
        os._exit(1)


def outlive_parent() -> None:
    """Take back `die_with_parent`."""
    if sys.platform == "linux":
        linux.prctl(_PR_SET_PDEATHSIG, 0)


def spawn(
    argv: Sequence[str | Path],
    *,
    stdout: int | IO[bytes],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int = subprocess.DEVNULL,
    death_signal: signal.Signals = signal.SIGKILL,
    identity: Identity | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C reaches us and not it."""
    if threading.current_thread() is not threading.main_thread():
        # The kernel takes the end of the thread that forked for the death of the parent.
        raise RuntimeError("spawn() must be called from the main thread")
    parent = os.getpid()

    def in_child() -> None:
        if identity is not None:
            identity.assume()
        # Last, because a change of user or capabilities clears it.
        die_with_parent(parent=parent, death_signal=death_signal)

    return subprocess.Popen(
        [str(part) for part in argv],
        env=env,
        cwd=cwd,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        # Safe without threads, and nothing else can run code as the child before its exec.
        preexec_fn=in_child,
    )


def stop(
    child: subprocess.Popen[bytes], *, signals: Sequence[tuple[signal.Signals, float]]
) -> None:
    """Send each signal and give it its seconds to work; SIGKILL to the whole group at the end."""
    for number, seconds in signals:
        if child.poll() is not None:
            break
        child.send_signal(number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    # Also after a polite end: what the program left in its group must not stay.
    kill_group(child.pid)
    child.wait()


def kill_group(leader: int) -> None:
    """SIGKILL whatever is left of the session that a spawned child leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
