"""A directory, best on another machine's disk or one that only adds: an anchor a file, never written over."""

import os
from dataclasses import dataclass
from pathlib import Path

from shared_apps.audit.errors import AnchorRefusedError

PATTERN = "anchor-*.jsonl"


@dataclass(frozen=True, slots=True)
class Directory:
    path: Path

    @property
    def name(self) -> str:
        return self.path.as_uri()

    def keep(self, counter: int, document: str) -> None:
        """Written beside, then linked to its name, so that no half of it is ever there."""
        self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
        final = self.path / f"anchor-{counter:012d}.jsonl"
        beside = self.path / f".{final.name}.{os.getpid()}"
        beside.unlink(missing_ok=True)  # of a process of this number that died
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o440)
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(document)
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(beside, final)
            except FileExistsError:
                if final.read_text() != document:
                    raise AnchorRefusedError(
                        f"{final} is there with other content: the audit database was set back,"
                        " or something else writes there"
                    ) from None
        finally:
            beside.unlink()
        self._sync()

    def newest(self, *, after: int) -> str | None:
        """The document of the highest number above one; None: there is none."""
        path = max(self.path.glob(PATTERN), default=None)
        if path is None or path.name <= f"anchor-{after:012d}.jsonl":
            return None
        return path.read_text(errors="replace")

    def _sync(self) -> None:
        """Names too survive a loss of power."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
