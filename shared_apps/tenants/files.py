"""Django's file storage, a directory for each tenant and one for the operator.

A name is relative to the directory of the present context, which is named by the tenant's UUID. All
that Django's storage does with files goes through `path`, so nothing reaches out of it; a storage for
S3 would put the same directory in front of its keys. Addresses are signed (file_links.py).
"""

import os
import shutil
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils import timezone
from django.utils.deconstruct import deconstructible

from shared_apps.core import context, spaces
from shared_apps.tenants import file_links
from shared_apps.tenants.errors import FileNameError, FilesPlaceMissingError, StorageFullError

if TYPE_CHECKING:
    from django.core.files import File

# Django may put eight characters before the extension of a name that is taken.
_LONGEST_PART = 200  # bytes; file systems take 255
_LONGEST_NAME = 1000  # bytes
_MB = 1_000_000
# Invisible, unassigned, or for the system's own use; a name with one is never what it looks like.
_UNUSABLE = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


@deconstructible(path="shared_apps.tenants.files.TenantFileSystemStorage")
class TenantFileSystemStorage(FileSystemStorage):
    """On nobody's behalf every method raises TenantContextRequired."""

    _location: str | None  # set by the base class, whose stubs leave it out

    # The base class computes these once; here they follow the context.
    @property
    def base_location(self) -> str:  # type: ignore[override]
        return os.path.join(self._root, spaces.current())

    @property
    def location(self) -> str:  # type: ignore[override]
        return os.path.abspath(self.base_location)

    def path(self, name: str) -> str:
        """Where `name` is, or would be, in the present context's directory.

        Raises:
            FileNameError: it is no plain relative name, or a symbolic link lies on the way.
        """
        location = self.location
        if name in ("", "."):
            return location
        full = os.path.join(location, _plain(name))
        # Links are followed here and compared, so one that somebody put there leads nowhere.
        without_links = os.path.join(os.path.realpath(self._root), spaces.current(), name)
        if os.path.realpath(full) != without_links:
            raise FileNameError
        return full

    @property
    def _root(self) -> str:
        root: str = self._value_or_setting(self._location, settings.MEDIA_ROOT)
        if not root:
            raise ImproperlyConfigured("FILES_ROOT is not set: there is no place for files")
        return root

    def generate_filename(self, filename: str | os.PathLike[str]) -> str:
        """What a model's FileField asks before it saves."""
        return super().generate_filename(_plain(os.fspath(filename)))

    def _save(self, name: str, content: "File[bytes]") -> str:
        _require_room(content.size)
        saved: str = super()._save(name, content)  # type: ignore[misc]  # the stubs leave it out
        return saved

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return super().get_available_name(_plain(name), max_length=max_length)

    def url(
        self,
        name: str | None,
        *,
        lifetime: timedelta | None = None,
        person_id: UUID | None = None,
    ) -> str:
        """An address of the file on the tenant's own hosts, good for a while.

        `person_id` makes it good for that person alone, who must show their access token with it.
        """
        return file_links.make(
            name=_plain(name or ""),
            expires_at=timezone.now() + (lifetime or settings.FILE_LINK_LIFETIME),
            person_id=person_id,
        )


def directory() -> Path:
    """Where the present context's files are; it need not exist."""
    return Path(default_storage.path(""))


def require_place() -> None:
    """Before something is done with all files of a tenant: in a process without FILES_ROOT there would
    seem to be none.

    Raises:
        FilesPlaceMissingError: the setting is missing.
    """
    if not settings.MEDIA_ROOT:
        raise FilesPlaceMissingError


def free_bytes() -> int:
    """What the file system of all tenants' files has room for."""
    require_place()
    place = Path(settings.MEDIA_ROOT).absolute()
    return shutil.disk_usage(next(p for p in (place, *place.parents) if p.exists())).free


def walk() -> Iterator[str]:
    """The names of all files of the present context, without what else lies there (links, sockets)."""
    root = directory()
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(files):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(root).as_posix()


def used_bytes() -> int:
    """What all files of the present context take."""
    return sum(_size(name) for name in walk())


def _size(name: str) -> int:
    try:
        return directory().joinpath(name).lstat().st_size
    except FileNotFoundError:  # deleted meanwhile
        return 0


def _require_room(size: int) -> None:
    """Each file is looked at, so that what is told is true; without a quota none is.

    Two that are saved at the same time may both have the last room.

    Raises:
        StorageFullError: the tenant's files would take more than it has bought.
    """
    scope = context.require()
    most = scope.quotas.storage_mb if isinstance(scope, context.TenantIdentity) else None
    if most is not None and used_bytes() + size > most * _MB:
        raise StorageFullError


def require_name(name: str) -> None:
    """Raises FileNameError: no file can have this name."""
    _plain(name)


def create(name: str) -> BinaryIO:
    """A new file of the present context, to write into.

    Raises:
        FileNameError: no file can have this name.
        FileExistsError: one has it.
    """
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def remove_all() -> None:
    """Remove every file of the present context; stopped half-way it is called again."""
    root = directory()
    if root.exists():
        shutil.rmtree(root)


def _plain(name: str) -> str:
    """`name` itself: parts separated by slashes, none of which is special anywhere.

    Letters of any script are welcome. What merely looks like another character is not (full-width
    slashes, decomposed accents): it is in the form that Unicode calls NFKC, or it is refused.

    Raises:
        FileNameError: it is something else.
    """
    parts = name.split("/")
    if (
        any(unicodedata.category(character) in _UNUSABLE for character in name)
        or "\\" in name
        or len(name.encode()) > _LONGEST_NAME
        or any(not _is_usable(part) for part in parts)
        or not unicodedata.is_normalized("NFKC", name)
    ):
        raise FileNameError
    return name


def _is_usable(part: str) -> bool:
    return part not in ("", ".", "..") and len(part.encode()) <= _LONGEST_PART
