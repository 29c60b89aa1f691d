"""The tenants' files of a backup, unpacked beside the present ones and put in their place at once."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shared_apps.operations.backup import files
from shared_apps.operations.errors import RestoreError


def count(root: Path) -> int:
    """Directories with files in them."""
    return len(_entries(root))


def _entries(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [
        path
        for path in root.iterdir()
        if not path.name.startswith(".") and (path.is_file() or any(path.iterdir()))
    ]


class FileSwitch:
    def __init__(self, root: Path | None, *, at: datetime) -> None:
        self._root = root
        mark = at.strftime("%Y%m%d%H%M%S")
        self._new = root / f".restoring-{mark}" if root else None
        self._before = root / f".before-{mark}" if root else None

    @property
    def former(self) -> tuple[str, ...]:
        return (str(self._before),) if self._before and self._before.exists() else ()

    def unpack(self, backup: Path, expected: Mapping[str, int]) -> None:
        """Raises RestoreError: they are not the files of the manifest."""
        if self._new is None:
            return
        self._new.mkdir(mode=0o750, parents=True)
        if files.unpack(backup / files.ARCHIVE, self._new) != expected:
            raise RestoreError("The backup's files are not those that its manifest names.")

    def switch(self) -> None:
        """In the same file system, so nothing is copied."""
        if self._root is None or self._new is None or self._before is None:
            return
        if present := _entries(self._root):
            self._before.mkdir(mode=0o750)
            for path in present:
                path.rename(self._before / path.name)
        for path in list(self._new.iterdir()):
            target = self._root / path.name
            if target.is_dir() and not any(target.iterdir()):
                target.rmdir()
            path.rename(target)

    def clean(self) -> None:
        if self._new is not None:
            shutil.rmtree(self._new, ignore_errors=True)


@contextmanager
def prepared(
    backup: Path, root: Path | None, expected: Mapping[str, int], *, at: datetime
) -> Iterator[FileSwitch]:
    """Unpacked; `switch` puts them in their place, otherwise nothing is left of them."""
    made = FileSwitch(root, at=at)
    try:
        made.unpack(backup, expected)
        yield made
    finally:
        made.clean()
