"""`installation verify`: whether a backup is whole and unchanged. Reads all of it and needs no server."""

from collections.abc import Callable
from pathlib import Path

from shared_apps.operations.backup import files, manifest, tools
from shared_apps.operations.backup.manifest import Manifest, member_of
from shared_apps.operations.errors import BackupInvalidError


def verify(path: Path, *, report: Callable[[str], None] = lambda line: None) -> Manifest:
    """Compare every file with the manifest, and have pg_restore read the dumps.

    Raises:
        BackupInvalidError: something is missing, changed, cut off or does not belong there.
        ToolError: pg_restore is missing.
    """
    stated = Manifest.read(path)
    expected = {*stated.members, manifest.NAME, manifest.SUMS}
    present = {entry.name for entry in path.iterdir()}
    if missing := sorted(expected - present):
        raise BackupInvalidError(f"{path} lacks {', '.join(missing)}.")
    if strange := sorted(present - expected):
        raise BackupInvalidError(f"{path} holds {', '.join(strange)}, which it does not name.")
    for number, (name, member) in enumerate(sorted(stated.members.items()), start=1):
        if (path / name).is_symlink() or member_of(path / name) != member:
            raise BackupInvalidError(
                f"{path / name} is not what was written: its checksum is wrong."
            )
        report(f"[{number}/{len(stated.members)}] {name}")
    _require_sums(path, stated)
    for dump in (*stated.application.dumps, *stated.audit.dumps):
        try:
            tools.inspect("pg_restore", "--list", path / dump.file)
        except tools.ToolFailedError as error:
            raise BackupInvalidError(f"{path / dump.file} cannot be read: {error}") from error
    if stated.files is not None and files.count(path / files.ARCHIVE) != stated.files:
        raise BackupInvalidError(
            f"{path / files.ARCHIVE} holds other files than the manifest says."
        )
    return stated


def _require_sums(path: Path, stated: Manifest) -> None:
    """They are the only ones that speak of the manifest itself."""
    own = f"{member_of(path / manifest.NAME).sha256}  {manifest.NAME}"
    if own not in (path / manifest.SUMS).read_text().splitlines():
        raise BackupInvalidError(f"{path / manifest.NAME} is not what was written.")
