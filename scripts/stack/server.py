"""What an embedded server does whatever it serves: start, wait until it answers, stop."""

import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from scripts.stack.errors import PORT_TAKEN, StackError, known_cause, last_lines
from scripts.stack.process import stop
from scripts.stack.server_directory import ServerDirectory

_START_SECONDS = 60.0
_ATTEMPTS = 5


class EmbeddedServer(ABC):
    """A server that is a child of this process and never outlives it."""

    name: str
    stop_signals: Sequence[tuple[signal.Signals, float]]

    def __init__(self, directory: Path) -> None:
        self.directory = ServerDirectory(directory, server=self.name)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self) -> None:
        """Return when the server accepts queries.

        Raises:
            StackError: it does not start; nothing is left running.
        """
        self.directory.acquire()
        try:
            self.prepare()
            self._start_on_some_port()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Return when the server is gone and another process may own the directory."""
        if self.process is not None:
            stop(self.process, signals=self.stop_signals)
            self.process = None
            self.after_stop()
        self.directory.release()

    def restart(self) -> subprocess.Popen[bytes]:
        """Start it again on the same port after it has died; does not wait."""
        self.prepare()
        return self.launch()

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the prepared server on the present port, without waiting for it."""
        with self.directory.appended_log() as (log, size):
            self._log_start = size
            self.process = self.spawn(log)
        return self.process

    def is_ready(self) -> bool:
        return self.process is not None and self.process.poll() is None and self.answers()

    @abstractmethod
    def prepare(self) -> None:
        """Make the directory fit to start from."""

    @abstractmethod
    def spawn(self, log: int) -> subprocess.Popen[bytes]:
        """Start the program."""

    @abstractmethod
    def answers(self) -> bool:
        """Ask the server something; called only while the process lives."""

    @abstractmethod
    def after_stop(self) -> None:
        """Wait for what the program leaves behind when it was killed."""

    def _start_on_some_port(self) -> None:
        for _ in range(_ATTEMPTS):
            self.port = self.directory.choose_port()
            process = self.launch()
            if self._wait_until_ready(process):
                return
            output = last_lines(self.directory.log, since=self._log_start)
            if PORT_TAKEN not in output:
                break
        raise StackError(
            f"{self.name} does not start in {self.directory.path}{known_cause(output)}"
            f"; see {self.directory.log}",
            details=output,
        )

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + _START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self.answers():
                return True
            time.sleep(0.05)
        return False
