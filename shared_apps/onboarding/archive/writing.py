"""The file of an archive: a gzipped tar that has its name once it is complete and proven, not before."""

import gzip
import hashlib
import io
import os
import secrets
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from shared_apps.onboarding.archive.manifest import NAME, Manifest, Member
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.errors import ArchiveExistsError, ArchiveWriteError

_LEVEL = 1  # the fastest: higher levels cost several times the time for a tenth of the size


class Writer:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.members: dict[str, Member] = {}

    def add(self, name: str, source: BinaryIO | IO[bytes], size: int) -> None:
        """Exactly `size` bytes of `source`. A file that shrinks meanwhile raises OSError."""
        reader = _Hashing(source)
        info = tarfile.TarInfo(name)
        info.size, info.mode = size, 0o600
        self._tar.addfile(info, reader)
        self.members[name] = Member(size, reader.hash.hexdigest())

    def close(self, manifest: Manifest) -> None:
        text = manifest.as_json()
        info = tarfile.TarInfo(NAME)
        info.size, info.mode = len(text), 0o600
        self._tar.addfile(info, io.BytesIO(text))


class _Hashing(io.RawIOBase):
    def __init__(self, source: BinaryIO | IO[bytes]) -> None:
        self._source = source
        self.hash = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.hash.update(data)
        return data


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """An archive that appears at `path`, for its owner only, when the block ends and it was read back.

    Raises:
        ArchiveExistsError: there is something at `path`.
        ArchiveWriteError: the disk is full, or may not be written; nothing is left.
    """
    if path.exists() or path.is_symlink():
        raise ArchiveExistsError(path=str(path))
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                with (
                    gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
                    tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
                ):
                    yield Writer(tar)
                file.flush()
                os.fsync(file.fileno())
            verify(part)
            # A link, unlike a renaming, refuses a name that somebody took meanwhile.
            os.link(part, path)
        finally:
            part.unlink(missing_ok=True)
    except FileExistsError:
        raise ArchiveExistsError(path=str(path)) from None
    except OSError as error:
        raise ArchiveWriteError(
            f"The archive could not be written: {error.strerror or error}.", path=str(path)
        ) from error
