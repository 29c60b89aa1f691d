"""A file by which a process without an address says that it works. Imports nothing of Django: probes read it.

Touched where the work is done, not by a thread beside it: a loop that hangs goes silent. While something
outside is away the process says so and goes on touching, because ending it would bring nothing back.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_EVERY = 1.0  # seconds
_WORKING = "working"


@dataclass(frozen=True, slots=True)
class State:
    """What a heartbeat says, and how old that is."""

    age: float
    waits_for: str | None
    """What is away; None while it works."""


class Heartbeat:
    """Does nothing without a directory."""

    def __init__(self, directory: str, name: str) -> None:
        self._path = Path(directory) / name if directory else None
        self._next = 0.0
        self._last = ""
        if self._path is not None:
            self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            # Of a process that had the name before.
            self._path.unlink(missing_ok=True)

    def works(self) -> None:
        self._write(_WORKING)

    def waits(self, what: str) -> None:
        """`what` is away; this process tries again by itself."""
        self._write(f"waiting for {what}")

    def _write(self, text: str) -> None:
        now = time.monotonic()
        if self._path is None or (text == self._last and now < self._next):
            return
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            temporary.write_text(text)
            temporary.replace(self._path)
        except OSError:
            # A disk that is full ends no worker; whoever asks finds the heartbeat old.
            return
        self._next, self._last = now + _EVERY, text


def read(directory: str, name: str) -> State | None:
    """None: it has never said anything."""
    path = Path(directory) / name
    try:
        text, touched = path.read_text(), path.stat().st_mtime
    except OSError:
        return None
    waits_for = None if text == _WORKING else text.removeprefix("waiting for ")
    return State(age=max(0.0, time.time() - touched), waits_for=waits_for)
