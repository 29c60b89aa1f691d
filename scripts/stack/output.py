"""The output of a supervised program, line by line into a log file."""

import errno
import os
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

_LARGEST_LOG = 10_000_000
_LAST = 12  # lines
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


class OutputLog:
    """Puts time and name before each line; keeps one older file when the log grows large."""

    def __init__(self, path: Path, *, name: str) -> None:
        self.path = path
        self._name = name
        self._partial = b""
        self._last: deque[str] = deque(maxlen=_LAST)
        self._file = self._open()

    def feed(self, chunk: bytes) -> list[str]:
        """Write what is complete, and return it."""
        *lines, self._partial = (self._partial + chunk).split(b"\n")
        decoded = [line.decode(errors="replace") for line in lines]
        for line in decoded:
            self.write(line)
        return decoded

    def write(self, line: str) -> None:
        """On a full disk the line is lost: what it is about must go on, and recover by itself."""
        self._last.append(line)
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        try:
            os.write(self._file, f"{time} {self._name} | {line}\n".encode())
            if os.fstat(self._file).st_size > _LARGEST_LOG:
                self._rotate()
        except OSError as error:
            if error.errno not in _DISK_FULL:
                raise

    def close(self) -> None:
        if self._partial:
            self.write(self._partial.decode(errors="replace"))
            self._partial = b""
        os.close(self._file)

    def last_lines(self) -> str:
        """The end of what the program has printed, also when it could not be logged."""
        return "\n".join(f"  {line}" for line in self._last)

    def _rotate(self) -> None:
        self.path.replace(self.path.with_suffix(".log.1"))
        new = self._open()
        os.close(self._file)
        self._file = new

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
