"""A file that is there whole or not at all."""

import gzip
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from shared_apps.audit.errors import ExportError


@dataclass(frozen=True, slots=True)
class Written:
    """What came to lie on the disk."""

    bytes: int
    sha256: str


class _Counting(io.RawIOBase):
    """Passes on what it is given, and knows how much it was and its sum."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._sum = hashlib.sha256()
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]  # a narrower buffer
        self._target.write(data)
        self._sum.update(data)
        self.count += len(data)
        return len(data)

    @property
    def written(self) -> Written:
        return Written(self.count, self._sum.hexdigest())


def refuse_existing(path: Path) -> None:
    """Raises ExportError: there is something already, or no directory to put it in."""
    if os.path.lexists(path):
        raise ExportError(f"{path} exists already; it is not overwritten")
    if not path.parent.is_dir():
        raise ExportError(f"{path.parent} is not a directory")


def write_whole(path: Path, parts: Iterable[bytes], *, compress: bool) -> Written:
    """Write beside it, flush to the disk, then give it its name. Nobody else may read it.

    Raises:
        ExportError: it exists, or cannot be written; then nothing is left.
    """
    refuse_existing(path)
    temporary = None
    try:
        # Made with mode 600.
        descriptor, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
        with os.fdopen(descriptor, "wb") as file:
            written = write_parts(file, parts, compress=compress)
            file.flush()
            os.fsync(file.fileno())
        refuse_existing(path)
        os.rename(temporary, path)
        temporary = None
        _flush_directory(path.parent)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
    return written


def write_parts(file: BinaryIO, parts: Iterable[bytes], *, compress: bool) -> Written:
    counting = _Counting(file)
    target = cast(BinaryIO, counting)
    if compress:
        # Without the time of day: the same entries give the same file.
        with gzip.GzipFile(fileobj=target, mode="wb", mtime=0, filename="") as compressed:
            for part in parts:
                compressed.write(part)
    else:
        for part in parts:
            target.write(part)
    return counting.written


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
