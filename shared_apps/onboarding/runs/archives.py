"""The directory on the provisioner's host that archives are written to and read from."""

import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from shared_apps.onboarding.errors import ArchiveNameError, ArchivesRootMissingError

# No separator and no leading dot, so that a name neither climbs out nor meets a file that is being written.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)


def require_name(name: str) -> str:
    """Raises ArchiveNameError."""
    if not _NAME.fullmatch(name):
        raise ArchiveNameError
    return name


def new_name(*, slug: str, at: datetime) -> str:
    """One that no other archive has."""
    return f"{slug}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.tar.gz"


def directory() -> Path:
    """Raises ArchivesRootMissingError."""
    if not settings.ARCHIVES_ROOT:
        raise ArchivesRootMissingError
    return Path(settings.ARCHIVES_ROOT)


def path_of(name: str) -> Path:
    """Raises ArchiveNameError, ArchivesRootMissingError."""
    path = directory() / require_name(name)
    if path.is_symlink():
        raise ArchiveNameError("An archive is a file of this directory, not a link.")
    return path


def sweep(path: Path) -> None:
    """Remove what a process that was killed while it wrote this archive has left; its writer is dead."""
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink(missing_ok=True)
