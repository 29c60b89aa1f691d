"""The files of jobs: `jobs/<id>/` in the tenant's storage, so that its quota counts them and any host can remove them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage

_ROOT: Final = "jobs"


def directory(job_id: UUID) -> Path:
    """It need not exist."""
    return Path(default_storage.path(f"{_ROOT}/{job_id}"))


def keep(job_id: UUID, name: str, content: "File[bytes]") -> str:
    """Its name in the storage. Raises StorageFullError."""
    return default_storage.save(f"{_ROOT}/{job_id}/{name}", content)


def path(name: str) -> Path:
    return Path(default_storage.path(name))


def make_work_directory(job_id: UUID, attempt: int) -> Path:
    """An empty one, for whoever makes this attempt."""
    made = directory(job_id) / f"work-{attempt}"
    remove(made)
    made.mkdir(parents=True)
    return made


def remove(place: Path) -> None:
    """A directory and what is in it, while others may be removing it too."""
    shutil.rmtree(place, ignore_errors=True)


def tidy(job_id: UUID, *, keeping: str) -> None:
    """Remove all files of a job that is finished but the one named so."""
    kept = path(keeping) if keeping else None
    place = directory(job_id)
    for found in list(place.iterdir()) if place.is_dir() else []:
        if found == kept:
            continue
        if found.is_dir() and not found.is_symlink():
            remove(found)
        else:
            found.unlink(missing_ok=True)
    if kept is None:
        remove(place)


def iterate_directories() -> Iterator[tuple[UUID, float]]:
    """Each job that has files, and when its directory was changed last."""
    root = Path(default_storage.path(_ROOT))
    for found in sorted(root.iterdir()) if root.is_dir() else []:
        try:
            yield UUID(found.name), found.stat().st_mtime
        except (ValueError, FileNotFoundError):
            continue
