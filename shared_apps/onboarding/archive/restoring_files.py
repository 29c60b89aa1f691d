"""A tenant's files, out of an archive."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.onboarding.archive.loading import source_of
from shared_apps.onboarding.archive.manifest import FILES, Manifest, Member
from shared_apps.onboarding.archive.verifying import opened
from shared_apps.onboarding.errors import ArchiveInvalidError, ArchiveWriteError
from shared_apps.tenants import files

_CHUNK = 1 << 20


def require_space(manifest: Manifest) -> None:
    sizes = [member.size for name, member in manifest.members.items() if name.startswith(FILES)]
    if not sizes:
        return
    free = files.free_bytes()
    if sum(sizes) > free:
        raise ArchiveWriteError(
            "There is not enough space for the files of the archive.", needed=sum(sizes), free=free
        )


def write(identity: TenantIdentity, path: Path, manifest: Manifest) -> Iterator[tuple[str, int]]:
    with opened(path) as (tar, _):
        for info in tar:
            if not info.name.startswith(FILES):
                continue
            expected = manifest.members[info.name]
            source, digest = source_of(tar, info), hashlib.sha256()
            try:
                with (
                    context.tenant(identity),
                    files.create(info.name.removeprefix(FILES)) as file,
                ):
                    while data := source.read(_CHUNK):
                        digest.update(data)
                        file.write(data)
            except OSError as error:
                raise ArchiveWriteError(
                    f"A file could not be written: {error.strerror}."
                ) from error
            if Member(info.size, digest.hexdigest()) != expected:
                raise ArchiveInvalidError("The archive changed while it was read.")
            yield info.name, info.size
