"""Files that only their owner may read, and the directories that hold them."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def make_enterable(path: Path) -> None:
    """Make a directory that nobody else may list, and that others may enter if we are root.

    As root we run PostgreSQL as another user, who has to reach the files that are its own.
    """
    if not path.is_dir():
        path.mkdir(parents=True)
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)  # whatever the umask


def write_json(path: Path, content: object) -> None:
    """Replace in one step: readers see the old or the new content, also after a crash."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_json(path: Path) -> Any:
    """The content, or None when there is no such file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
