"""The state directory of a quickstart: its files, and whether one runs in it."""

import hashlib
import os
import shutil
from pathlib import Path

from scripts.stack.errors import StackError
from scripts.stack.locks import FileLock
from scripts.stack.paths import ROOT
from scripts.stack.private_files import make_enterable, read_json, write_json

_MARKER = "made-by-quickstart"
_NEEDED_BYTES = 500_000_000
_MEMORY = Path("/dev/shm")  # a directory of our own there, mode 700


class State:
    """`lock` is held by the running quickstart, from before its first child to after its last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path / "quickstart.lock")
        self.logs = path / "logs"
        self.own_log = self.logs / "quickstart.log"
        self.postgres = path / "postgres"
        self.redis = path / "redis"
        self.files = path / "files"
        self.archives = path / "archives"
        self.anchors = path / "anchors"
        self.directories = path / "directories"
        self.mail = path / "mail"
        self.metrics = _in_memory(path) or path / "metrics"
        self.secrets = path / "secrets.json"
        self.accounts = path / "accounts.json"
        self.schedule = path / "celerybeat-schedule"
        self.summary = path / "quickstart.json"
        self._environment = path / "environment.json"

    @classmethod
    def from_environment(cls) -> "State":
        configured = os.environ.get("FREEHOLD_STATE_DIR") or ".local"
        # A relative path is relative to the clone, so that every script finds the same directory
        # wherever it is called from.
        return cls((ROOT / configured).resolve())

    def create(self) -> None:
        """Make the directory.

        Raises:
            StackError: it belongs to something else, cannot be written, or the disk is nearly full.
        """
        try:
            if self.path.is_dir() and any(self.path.iterdir()) and not self._is_marked():
                raise StackError(
                    f"{self.path} holds files that quickstart did not make;"
                    " set FREEHOLD_STATE_DIR to another directory"
                )
            make_enterable(self.path)
            (self.path / _MARKER).touch()
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StackError(f"Cannot use {self.path}: {error.strerror}") from error
        free = shutil.disk_usage(self.path).free
        if free < _NEEDED_BYTES:
            raise StackError(
                f"Only {free // 10**6} MB are free in {self.path};"
                f" quickstart needs {_NEEDED_BYTES // 10**6} MB"
            )

    def running_process(self) -> int | None:
        """The quickstart that runs here."""
        return self.lock.holder() if self.lock.is_held() else None

    def save_environment(self, environment: dict[str, str]) -> None:
        write_json(self._environment, environment)

    def environment(self) -> dict[str, str] | None:
        """The product's environment as of the last start."""
        stored: dict[str, str] | None = read_json(self._environment)
        return stored

    def delete(self) -> None:
        """Delete what quickstart made, and the directory if nothing else is in it.

        Raises:
            StackError: quickstart did not make this directory.
        """
        self.check_marked()
        for directory in (
            self.postgres,
            self.redis,
            self.logs,
            self.files,
            self.archives,
            self.anchors,
            self.directories,
            self.mail,
            self.metrics,
        ):
            if directory.exists():
                shutil.rmtree(directory)
        files = (
            self.secrets,
            self.accounts,
            self.summary,
            self._environment,
            self.lock.path,
        )
        for file in (*files, *self.path.glob(f"{self.schedule.name}*")):
            file.unlink(missing_ok=True)
        # Last, so that an interrupted deletion can be repeated.
        (self.path / _MARKER).unlink()
        if not any(self.path.iterdir()):
            self.path.rmdir()

    def check_marked(self) -> None:
        """Raises StackError unless quickstart made this directory."""
        if not self._is_marked():
            raise StackError(f"{self.path} was not made by quickstart; nothing is deleted")

    def _is_marked(self) -> bool:
        return (self.path / _MARKER).is_file()


def _in_memory(state: Path) -> Path | None:
    """Where processes map the files of their figures.

    Not on the disk: whoever writes into a mapped page for which a full disk has no block is killed by SIGBUS.
    """
    if not os.access(_MEMORY, os.W_OK):
        return None
    return _MEMORY / f"freehold-{os.getuid()}-{hashlib.sha256(bytes(state)).hexdigest()[:16]}"
