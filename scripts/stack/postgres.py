"""An embedded PostgreSQL cluster in a directory of its own."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from scripts.stack.binaries import POSTGRES_MAJOR, Binaries
from scripts.stack.errors import StackError, last_lines
from scripts.stack.pip import wait
from scripts.stack.postmaster import end_orphans, remove_stale_pid_file
from scripts.stack.privileges import Identity, unprivileged_identity
from scripts.stack.process import spawn
from scripts.stack.server import EmbeddedServer

_SUPERUSER = "postgres"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    # A fleet migration or a schema dump locks every table of a tenant in one transaction.
    "max_locks_per_transaction": "256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
}
_INITDB_OPTIONS = (
    f"--username={_SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # The built-in one is the same on every machine, whatever locales are installed.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--no-instructions",
)
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# sockaddr_un holds 107 bytes and a terminating zero.
_LONGEST_SOCKET_PATH = 107


class EmbeddedPostgres(EmbeddedServer):
    """`durable=False` trades crash safety for speed: for data that a test makes and drops. `settings`
    are of the server, in place of ours."""

    name = "PostgreSQL"
    # Fast shutdown, then immediate shutdown (recovery at the next start).
    stop_signals = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 8.0))

    def __init__(
        self,
        directory: Path,
        *,
        binaries: Binaries,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(directory)
        self._binaries = binaries
        self._durable = durable
        self._settings = dict(settings or {})
        self._data = directory / "data"
        self._password_file = directory / "password-new"
        self._sockets = directory / "socket"
        self._identity: Identity | None = None

    @property
    def url(self) -> str:
        """Superuser access."""
        password = quote(self.directory.password, safe="")
        return f"postgresql://{_SUPERUSER}:{password}@127.0.0.1:{self.port}/postgres"

    def prepare(self) -> None:
        self._identity = unprivileged_identity(
            must_reach=[self._binaries.postgres("postgres"), self.directory.path / "."]
        )
        end_orphans(self._data)
        remove_stale_pid_file(self._data)
        # What an interrupted initdb left; its bootstrap process may still be writing.
        for interrupted in self.directory.path.glob("data-new-*"):
            end_orphans(interrupted)
            shutil.rmtree(interrupted, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)
        if not self._data.exists():
            self._initialise()
        self._check_version()
        self._own_directory(self._sockets)

    def spawn(self, log: int) -> subprocess.Popen[bytes]:
        settings = dict(_SETTINGS, unix_socket_directories=self._socket_setting())
        if not self._durable:
            settings |= _NOT_DURABLE
        settings |= self._settings
        options = [f"--{name}={value}" for name, value in settings.items()]
        return spawn(
            [
                self._binaries.postgres("postgres"),
                "-D",
                self._data,
                "-p",
                str(self.port),
                *options,
            ],
            stdout=log,
            cwd=Path("/"),
            env=_environment(),
            # Immediate shutdown: the postmaster ends its children, which SIGKILL would not.
            death_signal=signal.SIGQUIT,
            identity=self._identity,
        )

    def answers(self) -> bool:
        psql = self._binaries.postgres("psql")
        options = f"-h 127.0.0.1 -p {self.port} -U {_SUPERUSER} -d postgres -XqAt".split()
        query = subprocess.run(
            [psql, *options, "-c", "SELECT 1"],
            env={**_environment(), "PGPASSWORD": self.directory.password, "PGCONNECT_TIMEOUT": "5"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        return query.returncode == 0

    def after_stop(self) -> None:
        # Backends whose postmaster was killed notice it and go, but not in that instant.
        end_orphans(self._data)

    def _initialise(self) -> None:
        # A name of its own, so that nothing left of an earlier attempt can write into it.
        new = Path(tempfile.mkdtemp(dir=self.directory.path, prefix="data-new-"))
        self._own_directory(new)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(self.directory.password)
        if self._identity is not None:
            self._identity.own(self._password_file)
        command = [
            str(self._binaries.postgres("initdb")),
            f"--pgdata={new}",
            f"--pwfile={self._password_file}",
            *_INITDB_OPTIONS,
            *([] if self._durable else ["--no-sync"]),
        ]
        try:
            with self.directory.appended_log() as (log, size):
                initdb = spawn(
                    command,
                    stdout=log,
                    cwd=Path("/"),
                    env=_environment(),
                    identity=self._identity,
                )
                code = wait(initdb)
        finally:
            self._password_file.unlink()
        if code != 0:
            output = last_lines(self.directory.log, since=size)
            shutil.rmtree(new)
            full = ": the disk is full" if "No space left on device" in output else ""
            raise StackError(
                f"initdb fails in {self.directory.path}{full}; see {self.directory.log}",
                details=output,
            )
        new.rename(self._data)

    def _check_version(self) -> None:
        try:
            version = (self._data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise StackError(
                f"{self._data} is no PostgreSQL data directory; move it away or delete it"
            ) from None
        if version != str(POSTGRES_MAJOR):
            raise StackError(
                f"{self._data} was made by PostgreSQL {version} and the embedded server is"
                f" PostgreSQL {POSTGRES_MAJOR}; dump it with the old version, or move it away to"
                " start empty (scripts/quickstart --reset deletes it)"
            )

    def _own_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        if self._identity is not None:
            self._identity.own(path)

    def _socket_setting(self) -> str:
        socket = self._sockets / f".s.PGSQL.{self.port}"
        if len(os.fsencode(socket)) > _LONGEST_SOCKET_PATH:
            return ""
        # The setting is a list: quoted, a comma or a space is part of the name.
        return '"{}"'.format(str(self._sockets).replace('"', '""'))


def _environment() -> dict[str, str]:
    """Without the user's PG* variables, which would redirect clients and servers."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**inherited, "LC_ALL": "C"}
