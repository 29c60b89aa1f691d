"""The directory that backups are kept in: one directory each, named after the moment it was begun."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shared_apps.operations.backup.manifest import NAME
from shared_apps.operations.errors import BackupError, BackupInvalidError

_BACKUP = re.compile(r"\d{8}T\d{6}Z")
_PART = ".part"
_LOCK = ".lock"


@contextmanager
def locked(place: Path) -> Iterator[None]:
    """The directory for one backup at a time; what a killed one left is removed.

    Raises:
        BackupError: another is being made here, or the directory cannot be used.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BackupError(f"{place} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupError(f"Another backup is being made in {place}.") from None
        for left in place.glob(f"*{_PART}"):
            if _BACKUP.fullmatch(left.name.removesuffix(_PART)):
                shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writing(place: Path, *, at: datetime) -> Iterator[tuple[Path, Path]]:
    """A directory to write into, and the name that it has once the block ended well: whole or not at all."""
    final = place / at.strftime("%Y%m%dT%H%M%SZ")
    part = final.with_name(final.name + _PART)
    if final.exists():
        raise BackupError(f"{final} is there already.")
    part.mkdir(mode=0o700)
    try:
        yield part, final
        for path in part.iterdir():
            _sync(path)
        _sync(part)
        part.rename(final)
        _sync(place)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_backups(place: Path) -> list[Path]:
    """The whole ones, the oldest first."""
    if not place.is_dir():
        return []
    return sorted(
        path for path in place.iterdir() if _BACKUP.fullmatch(path.name) and (path / NAME).is_file()
    )


def find(path: Path) -> Path:
    """The backup that `path` is, or the newest one in it.

    Raises:
        BackupInvalidError: it is none and holds none.
    """
    if (path / NAME).is_file():
        return path
    found = list_backups(path)
    if not found:
        raise BackupInvalidError(f"There is no whole backup in {path}.")
    return found[-1]


def keep_newest(place: Path, number: int) -> list[Path]:
    """Remove all whole backups but the newest; returns what was removed. While `locked`."""
    removed = list_backups(place)[:-number]
    for path in removed:
        # Without its manifest it is no backup any more, however far the removal comes.
        (path / NAME).unlink()
        shutil.rmtree(path)
    return removed
