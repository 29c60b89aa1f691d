"""One supervised program: how it is started, when it is ready, how it ends."""

import fcntl
import math
import os
import re
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from scripts.stack.errors import last_lines
from scripts.stack.output import OutputLog
from scripts.stack.process import kill_group, spawn
from scripts.stack.server import EmbeddedServer

_CHUNK = 65536
# A program without a line that says "ready" is taken to be so when it has lived this long.
_SETTLED_SECONDS = 1.0


class Supervised(ABC):
    """What the supervisor knows about a program."""

    name: str
    log: Path
    # Readable end of the program's output, when it comes through us.
    output: IO[bytes] | None = None

    def __init__(self, *, stop_signals: Sequence[tuple[signal.Signals, float]]) -> None:
        self.deaths = 0
        self.restart_at: float | None = None
        self.started_at = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._stop_signals = (*stop_signals, (signal.SIGKILL, math.inf))
        self._remaining_signals = iter(self._stop_signals)
        self._next_signal_at = 0.0

    def launch(self) -> None:
        self.started_at = time.monotonic()
        self._process = self._start()

    def has_ended(self) -> bool:
        if self._process is None:
            return False
        if self._process.poll() is None:
            return False
        # Whatever it left in its session goes with it.
        kill_group(self._process.pid)
        return True

    def request_stop(self) -> None:
        self._remaining_signals = iter(self._stop_signals)
        self._next_signal_at = 0.0

    def has_stopped(self) -> bool:
        """Send the next signal when the last one has had its time."""
        if self._process is None or self.has_ended():
            return True
        if time.monotonic() >= self._next_signal_at:
            number, seconds = next(self._remaining_signals)
            self._next_signal_at = time.monotonic() + seconds
            self._process.send_signal(number)
        return False

    def how_it_ended(self) -> str:
        code = self._process.returncode if self._process is not None else None
        if code is not None and code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended with {code}"

    def read_output(self) -> bool:
        """Log what has been printed; False at its end."""
        return False

    @abstractmethod
    def is_ready(self) -> bool:
        """It serves."""

    @abstractmethod
    def last_lines(self) -> str:
        """The end of its log."""

    @abstractmethod
    def close(self) -> None:
        """Release what belonged to it, after its end."""

    @abstractmethod
    def _start(self) -> subprocess.Popen[bytes]: ...


class Program(Supervised):
    """A process of the product."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str],
        directory: Path,
        logs: Path,
        ready_line: str | None = None,
        stop_seconds: float = 10.0,
    ) -> None:
        super().__init__(stop_signals=[(signal.SIGTERM, stop_seconds)])
        self.name = name
        self.log = logs / f"{name}.log"
        self._argv = argv
        self._environment = environment
        self._directory = directory
        self._ready_line = re.compile(ready_line) if ready_line else None
        self._seen_ready = False
        self._output_log = OutputLog(self.log, name=name)

    def is_ready(self) -> bool:
        if self._ready_line is not None:
            return self._seen_ready
        return time.monotonic() - self.started_at > _SETTLED_SECONDS

    def read_output(self) -> bool:
        assert self.output is not None
        try:
            chunk = os.read(self.output.fileno(), _CHUNK)
        except BlockingIOError:
            return True
        lines = self._output_log.feed(chunk)
        if self._ready_line is not None and any(map(self._ready_line.search, lines)):
            self._seen_ready = True
        return chunk != b""

    def last_lines(self) -> str:
        self._read_rest()
        return self._output_log.last_lines()

    def close(self) -> None:
        if self.output is not None:
            self._read_rest()
            self.output.close()
        self._output_log.close()

    def _read_rest(self) -> None:
        """What was printed before the end and not yet read; never waits."""
        assert self.output is not None
        with suppress(BlockingIOError):
            while chunk := os.read(self.output.fileno(), _CHUNK):
                self._output_log.feed(chunk)

    def _start(self) -> subprocess.Popen[bytes]:
        self._seen_ready = False
        if self.output is not None:
            self.output.close()
        process = spawn(
            self._argv, stdout=subprocess.PIPE, env=self._environment, cwd=self._directory
        )
        assert process.stdout is not None
        self.output = process.stdout
        flags = fcntl.fcntl(self.output, fcntl.F_GETFL)
        fcntl.fcntl(self.output, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        return process


class Server(Supervised):
    """An embedded server that has been started, kept running from then on."""

    def __init__(self, server: EmbeddedServer) -> None:
        super().__init__(stop_signals=server.stop_signals)
        self.name = server.name
        self.log = server.directory.log
        self._server = server

    def is_ready(self) -> bool:
        return self._server.is_ready()

    def last_lines(self) -> str:
        return last_lines(self.log)

    def close(self) -> None:
        self._server.stop()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._server.restart()
        self._server.start()
        assert self._server.process is not None
        return self._server.process
