"""Whether a file is an archive, whole and unchanged. Reads all of it and writes nothing."""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

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
_LARGEST_HEADER = 64 << 10  # bytes; holds a name and little more
_MOST_PADDING = 1 << 20  # bytes; tar programs fill their last block with zeros

_NO_PLAIN_FILE = "The archive holds something that is not a plain file."


class _Header(tarfile.TarInfo):
    """Judged before it is believed: tarfile reads long headers into memory whole, whatever their size,
    keeps those that are meant for all members, and goes back where a size is below zero."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        header = super().frombuf(buf, encoding, errors)
        is_extension = header.type == tarfile.XHDTYPE
        if header.size < 0 or (is_extension and header.size > _LARGEST_HEADER):
            raise ArchiveInvalidError("The archive holds a header of an impossible size.")
        if not is_extension and header.type != tarfile.REGTYPE:
            raise ArchiveInvalidError(_NO_PLAIN_FILE)
        return header

    def _proc_gnusparse_10(self, *_: Any) -> None:
        """It would read the map of a file with holes out of the member, however long that is."""
        raise ArchiveInvalidError(_NO_PLAIN_FILE)


def verify(path: Path) -> Manifest:
    """Read an archive to its end and compare every member with the manifest.

    Raises:
        ArchiveInvalidError: it is not an archive, cut off, changed, or holds what none may hold.
    """
    found: dict[str, Member] = {}
    rows: dict[str, int] = {}
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
                found[name], rows[name] = _measured(info.size, source)
        _require_end(packed)
    if manifest is None:
        raise ArchiveInvalidError("The archive has no manifest; it is cut off.")
    _compare(found, rows, manifest)
    return manifest


def _require_end(packed: gzip.GzipFile) -> None:
    """Read to the end, where the checksum of the whole is, but not whatever somebody put before it."""
    padding = 0
    while rest := packed.read(_CHUNK):
        padding += len(rest)
        if any(rest) or padding > _MOST_PADDING:
            raise ArchiveInvalidError("Something follows the archive's end.")


@contextmanager
def opened(path: Path) -> Iterator[tuple[tarfile.TarFile, gzip.GzipFile]]:
    """Raises ArchiveInvalidError: it cannot be read, here or while it is used."""
    try:
        with (
            gzip.open(path, "rb") as packed,
            tarfile.open(fileobj=packed, mode="r|", errorlevel=1, tarinfo=_Header) as tar,
        ):
            yield tar, packed
    except FileNotFoundError:
        raise ArchiveInvalidError("There is no such file.", path=str(path)) from None
    except (EOFError, OSError, tarfile.TarError, zlib.error, ValueError, RecursionError) as error:
        raise ArchiveInvalidError(
            "The archive cannot be read: it is cut off or damaged.", reason=str(error)
        ) from error


def _checked(info: tarfile.TarInfo, found: dict[str, Member]) -> str:
    name = info.name
    if info.type != tarfile.REGTYPE or info.sparse is not None or info.linkname:
        raise ArchiveInvalidError(_NO_PLAIN_FILE)
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


def _measured(size: int, source: IO[bytes]) -> tuple[Member, int]:
    """And how many lines it has, which are a table's rows."""
    digest, lines = hashlib.sha256(), 0
    while data := source.read(_CHUNK):
        digest.update(data)
        lines += data.count(b"\n")
    return Member(size, digest.hexdigest()), lines


def _compare(found: dict[str, Member], rows: dict[str, int], manifest: Manifest) -> None:
    if found.keys() != manifest.members.keys():
        raise ArchiveInvalidError("The archive holds other files than its manifest names.")
    changed = next((name for name in found if found[name] != manifest.members[name]), None)
    if changed is not None:
        raise ArchiveInvalidError("A checksum is wrong.", member=changed)
    tables = {name: lines for name, lines in rows.items() if name.startswith(TABLES)}
    files = [name for name in found if name.startswith(FILES)]
    if (
        tables != {TABLES + table.name: table.rows for table in manifest.tables}
        or len(tables) != len(manifest.tables)
        or (rows.get(PEOPLE), rows.get(AUDIT)) != (manifest.people, manifest.audit_entries)
        or len(files) != manifest.files
    ):
        raise ArchiveInvalidError("The archive's manifest contradicts itself.")
    if any(str(folder) in found for name in files for folder in PurePosixPath(name).parents):
        raise ArchiveInvalidError("The archive holds a name that is a file and a folder.")
