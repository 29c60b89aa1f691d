"""The tenants' files: one tar, each file once, links not followed."""

import os
import stat
import tarfile
from collections import Counter
from pathlib import Path

from shared_apps.operations.errors import BackupError, BackupInvalidError

ARCHIVE = "files.tar"


def pack(root: Path, path: Path) -> dict[str, int]:
    """Write what is below `root`; returns directory → number of files.

    Files that go meanwhile are left out; what cannot be read stops it. The directory is made with the
    first file, so one that is not there holds none. Names with a dot are of a restore, not of a tenant.

    Raises:
        BackupError: a file cannot be read.
    """
    counts: Counter[str] = Counter()
    with tarfile.open(path, "x", format=tarfile.PAX_FORMAT) as tar:
        for directory, folders, names in os.walk(root, onerror=_refuse) if root.exists() else ():
            if Path(directory) == root:
                folders[:] = [name for name in folders if not name.startswith(".")]
            folders.sort()
            for name in sorted(names):
                full = Path(directory, name)
                relative = full.relative_to(root)
                if _add(tar, full, relative):
                    counts[relative.parts[0] if len(relative.parts) > 1 else ""] += 1
    return dict(counts)


def _refuse(error: OSError) -> None:
    raise BackupError(f"{error.filename} cannot be read: {error.strerror}") from error


def _add(tar: tarfile.TarFile, full: Path, relative: Path) -> bool:
    try:
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise BackupError(f"{full} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return False
        info = tarfile.TarInfo(str(relative))
        info.size, info.mtime, info.mode = status.st_size, int(status.st_mtime), 0o640
        tar.addfile(info, file)
    return True


def unpack(path: Path, target: Path) -> dict[str, int]:
    """Write the files below `target`, which is new; returns directory → number of files.

    Raises:
        BackupInvalidError: it holds something that is not a plain file, or a name that climbs out.
    """
    counts: Counter[str] = Counter()
    with tarfile.open(path) as tar:
        for info in tar:
            if not info.isreg():
                raise BackupInvalidError("The backup's files hold something that is not a file.")
            try:
                tar.extract(info, target, filter="data")
            except tarfile.FilterError as error:
                raise BackupInvalidError(
                    "The backup's files hold a name that none may have."
                ) from error
            parts = Path(info.name).parts
            counts[parts[0] if len(parts) > 1 else ""] += 1
    return dict(counts)


def count(path: Path) -> dict[str, int]:
    """Directory → number of files, by reading all of it."""
    counts: Counter[str] = Counter()
    with tarfile.open(path) as tar:
        for info in tar:
            parts = Path(info.name).parts
            counts[parts[0] if len(parts) > 1 else ""] += 1
    return dict(counts)
