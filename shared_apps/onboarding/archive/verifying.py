"""Whether a file is an archive, whole and unchanged. Reads all of it and writes nothing."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from shared_apps.onboarding.archive.manifest import (
    AUDIT,
    FILES,
    NAME,
    PEOPLE,
    TABLES,
    Manifest,
    Member,
)
from shared_apps.onboarding.errors import ArchiveInvalidError

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 256 << 20
_MOST_MEMBERS = 10_000_000
_LONGEST_NAME = 1100  # bytes; a tenant's file name has at most 1,000


def verify(path: Path) -> Manifest:
    """Read an archive to its end and compare every member with the manifest.

    Raises:
        ArchiveInvalidError: it is not an archive, cut off, changed, or holds what none may hold.
    """
    found: dict[str, Member] = {}
    manifest: Manifest | None = None
    with opened(path) as (tar, packed):
        for info in tar:
            if manifest is not None:
                raise ArchiveInvalidError("Something follows the manifest.")
            name = _checked(info, found)
            source = tar.extractfile(info)
            assert source is not None  # it is a regular file
            if name == NAME:
                if info.size > _LARGEST_MANIFEST:
                    raise ArchiveInvalidError("The archive's manifest is too large.")
                manifest = Manifest.from_json(source.read())
            else:
                found[name] = Member(info.size, _hash(source))
        if any(any(rest) for rest in iter(lambda: packed.read(_CHUNK), b"")):
            raise ArchiveInvalidError("Something follows the archive's end.")
    if manifest is None:
        raise ArchiveInvalidError("The archive has no manifest; it is cut off.")
    _compare(found, manifest)
    return manifest


@contextmanager
def opened(path: Path) -> Iterator[tuple[tarfile.TarFile, gzip.GzipFile]]:
    """Raises ArchiveInvalidError: it cannot be read, here or while it is used."""
    try:
        with (
            gzip.open(path, "rb") as packed,
            tarfile.open(fileobj=packed, mode="r|", errorlevel=1) as tar,
        ):
            yield tar, packed
    except FileNotFoundError:
        raise ArchiveInvalidError("There is no such file.", path=str(path)) from None
    except (EOFError, OSError, tarfile.TarError, zlib.error, ValueError) as error:
        raise ArchiveInvalidError(
            "The archive cannot be read: it is cut off or damaged.", reason=str(error)
        ) from error


def _checked(info: tarfile.TarInfo, found: dict[str, Member]) -> str:
    name = info.name
    if info.type != tarfile.REGTYPE or info.sparse is not None or info.linkname:
        raise ArchiveInvalidError("The archive holds something that is not a plain file.")
    parts = name.split("/")
    is_known = name in (NAME, PEOPLE, AUDIT) or name.startswith((TABLES, FILES))
    if (
        not is_known
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in name
        or "\0" in name
        or len(name.encode(errors="surrogateescape")) > _LONGEST_NAME
    ):
        raise ArchiveInvalidError("The archive holds a name that none may hold.")
    if name in found:
        raise ArchiveInvalidError("The archive holds one name twice.")
    if len(found) >= _MOST_MEMBERS:
        raise ArchiveInvalidError("The archive holds too many files.")
    return name


def _hash(source: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while data := source.read(_CHUNK):
        digest.update(data)
    return digest.hexdigest()


def _compare(found: dict[str, Member], manifest: Manifest) -> None:
    if found.keys() != manifest.members.keys():
        raise ArchiveInvalidError("The archive holds other files than its manifest names.")
    changed = next((name for name in found if found[name] != manifest.members[name]), None)
    if changed is not None:
        raise ArchiveInvalidError("A checksum is wrong.", member=changed)
    tables = {name for name in found if name.startswith(TABLES)}
    if tables != {TABLES + table.name for table in manifest.tables} or not {PEOPLE, AUDIT} <= set(
        found
    ):
        raise ArchiveInvalidError("The archive's manifest contradicts itself.")
