"""An embedded Redis in a directory of its own."""

import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

from scripts.stack.binaries import Binaries
from scripts.stack.process import spawn
from scripts.stack.server import EmbeddedServer


class EmbeddedRedis(EmbeddedServer):
    """`durable=True` keeps an append-only file, so that queued tasks survive a restart."""

    name = "Redis"
    stop_signals = ((signal.SIGTERM, 10.0),)

    def __init__(self, directory: Path, *, binaries: Binaries, durable: bool = True) -> None:
        super().__init__(directory)
        self._binaries = binaries
        self._durable = durable

    @property
    def url(self) -> str:
        return f"redis://:{quote(self.directory.password, safe='')}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        """Nothing to make: Redis creates its files."""

    def spawn(self, log: int) -> subprocess.Popen[bytes]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.directory.password,
            "appendonly": "yes" if self._durable else "no",
            "save": '""',
            # Otherwise a full disk makes every write fail until the next successful save.
            "stop-writes-on-bgsave-error": "no",
        }
        process = spawn(
            [self._binaries.redis_server, "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            cwd=self.directory.path,
            death_signal=signal.SIGTERM,
        )
        # Through standard input, so that the password is in no process list.
        assert process.stdin is not None
        with process.stdin as configuration:
            lines = "".join(f"{name} {value}\n" for name, value in settings.items())
            configuration.write(lines.encode())
        return process

    def after_stop(self) -> None:
        """Nothing stays: Redis ends its own children."""

    def answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(f"AUTH {self.directory.password}\r\nPING\r\n".encode())
                with connection.makefile("rb") as reply:
                    return (reply.readline(), reply.readline()) == (
                        b"+OK\r\n",
                        b"+PONG\r\n",
                    )
        except OSError:
            return False
