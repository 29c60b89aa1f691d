"""The directory of one embedded server: who owns it, on which port and with which password."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack.errors import StackError
from scripts.stack.locks import FileLock
from scripts.stack.ports import free_port
from scripts.stack.private_files import make_enterable, read_json, write_json

_HANDOVER_SECONDS = 1.0


class ServerDirectory:
    """At most one process at a time owns a directory and runs its server."""

    def __init__(self, path: Path, *, server: str) -> None:
        self.path = path
        self.log = path / f"{server.lower()}.log"
        self._server = server
        self._endpoint = path / "endpoint.json"
        self._lock = FileLock(path / "owner.lock")

    def acquire(self) -> None:
        """Become the owner.

        Raises:
            StackError: a live process owns it, or it cannot be written.
        """
        try:
            make_enterable(self.path)
            acquired = self._acquire_patiently()
        except OSError as error:
            raise StackError(f"Cannot use {self.path}: {error.strerror}") from error
        if not acquired:
            raise StackError(
                f"{self._server} in {self.path} is in use by process {self._lock.holder()}"
            )

    def _acquire_patiently(self) -> bool:
        """A process that a dead owner was about to start has the lock too, until its program begins."""
        deadline = time.monotonic() + _HANDOVER_SECONDS
        while not self._lock.try_acquire():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def release(self) -> None:
        self._lock.release()

    @property
    def password(self) -> str:
        """Made once, before the server first starts."""
        endpoint = read_json(self._endpoint) or {}
        if "password" not in endpoint:
            endpoint["password"] = secrets.token_urlsafe(24)
            write_json(self._endpoint, endpoint)
        return str(endpoint["password"])

    def choose_port(self) -> int:
        """The port of the last start when it is still free, else another, which is then kept."""
        password = self.password
        endpoint = read_json(self._endpoint)
        port = free_port(preferred=endpoint.get("port"))
        if port != endpoint.get("port"):
            write_json(self._endpoint, {"password": password, "port": port})
        return port

    @contextmanager
    def appended_log(self) -> Iterator[tuple[int, int]]:
        """The log's descriptor, and its size before this start."""
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            yield descriptor, os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
