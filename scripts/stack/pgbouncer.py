"""A PgBouncer in a directory of its own, in front of one PostgreSQL.

The program comes from the system (Debian: `apt-get install pgbouncer`): no wheel carries it.
"""

import shutil
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from scripts.stack.errors import StackError
from scripts.stack.privileges import Identity, unprivileged_identity
from scripts.stack.process import spawn
from scripts.stack.server import EmbeddedServer

# Debian puts it where ordinary users' PATH does not lead.
_PLACES = "/usr/sbin:/usr/local/sbin:/usr/local/bin:/usr/bin:/opt/homebrew/bin"
MISSING = "PgBouncer is not installed; on Debian: apt-get install pgbouncer"

PoolMode = Literal["session", "transaction", "statement"]


@dataclass(frozen=True)
class Upstream:
    """The server behind it, and the login that clients use on both sides."""

    host: str
    port: str
    user: str
    password: str

    @classmethod
    def of_url(cls, url: str) -> Self:
        """The server and login that a PostgreSQL URL names."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=str(parts.port or 5432),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )


def find_pgbouncer() -> Path | None:
    found = shutil.which("pgbouncer") or shutil.which("pgbouncer", path=_PLACES)
    return Path(found) if found else None


class PgBouncer(EmbeddedServer):
    """Serves every database of the server that all `upstreams` name, to each of their logins.

    `pool_size`: server connections per login and database; each begins with `connect_query`.
    """

    name = "PgBouncer"
    stop_signals = ((signal.SIGTERM, 5.0),)

    def __init__(
        self,
        directory: Path,
        *,
        upstreams: tuple[Upstream, ...],
        pool_mode: PoolMode,
        pool_size: int = 1,
        connect_query: str = "",
    ) -> None:
        super().__init__(directory)
        self._upstreams = upstreams
        self._pool_mode = pool_mode
        self._pool_size = pool_size
        self._connect_query = connect_query
        self._configuration = directory / "pgbouncer.ini"
        self._users = directory / "userlist.txt"
        self._identity: Identity | None = None

    def prepare(self) -> None:
        """Raises StackError where the program is missing."""
        if find_pgbouncer() is None:
            raise StackError(MISSING)
        self._identity = unprivileged_identity(must_reach=[self.directory.path / "."])

    def spawn(self, log: int) -> subprocess.Popen[bytes]:
        program = find_pgbouncer()
        assert program is not None
        self._write(self._configuration, self._settings())
        self._write(
            self._users,
            "".join(f"{_quoted(up.user)} {_quoted(up.password)}\n" for up in self._upstreams),
        )
        return spawn(
            [program, self._configuration], stdout=log, cwd=Path("/"), identity=self._identity
        )

    def answers(self) -> bool:
        # Its own console needs a login of its own; that it listens is all that can go wrong.
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def after_stop(self) -> None:
        """Nothing stays: it has one process."""

    def _settings(self) -> str:
        upstream = self._upstreams[0]
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "pool_mode": self._pool_mode,
            "default_pool_size": str(self._pool_size),
            "max_client_conn": "200",
            "auth_type": "scram-sha-256",
            "auth_file": str(self._users),
            # A test that waits for a connection which nobody gives back should end.
            "query_wait_timeout": "30",
            # One line a connection would be most of the log.
            "log_connections": "0",
            "log_disconnections": "0",
        }
        lines = [f"{name} = {value}" for name, value in settings.items()]
        return "\n".join(
            [
                "[databases]",
                f"* = host={upstream.host} port={upstream.port}"
                + (f" connect_query='{self._connect_query}'" if self._connect_query else ""),
                "[pgbouncer]",
                *lines,
                "",
            ]
        )

    def _write(self, path: Path, content: str) -> None:
        path.touch(mode=0o600)
        path.write_text(content)
        if self._identity is not None:
            self._identity.own(path)


def _quoted(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
