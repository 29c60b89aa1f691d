"""StackError: what went wrong on this machine, in one line for the person at the terminal."""

from pathlib import Path

# In the end of a failed start's log: somebody took the port after we had found it free.
PORT_TAKEN = "Address already in use"
_CAUSES = {
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "the disk quota is used up",
    "Permission denied": "a permission is missing",
    PORT_TAKEN: "every port tried was taken",
    "could not map anonymous shared memory": "there is too little memory",
}


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


def known_cause(output: str) -> str:
    """ ": the disk is full" where the end of a log says so in words that are not everybody's."""
    return next((f": {cause}" for sign, cause in _CAUSES.items() if sign in output), "")
