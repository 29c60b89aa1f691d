"""StackError: what went wrong on this machine, in one line for the person at the terminal."""

from pathlib import Path


class StackError(Exception):
    """`details` are further lines, usually the end of a log, shown below the message."""

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return f"{self.message}\n{self.details}" if self.details else self.message


def last_lines(log: Path, *, count: int = 12, since: int = 0) -> str:
    """The end of a log file, looking only at what was written after byte `since`."""
    try:
        with log.open("rb") as file:
            file.seek(since)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-count:])
