"""A process for each contender, because a process can have only one set of Django's settings."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any

from scripts.stack.errors import StackError, last_lines
from scripts.stack.paths import ROOT
from scripts.stack.process import spawn, stop

_STOP_SIGNALS = ((signal.SIGTERM, 5.0),)


class Worker:
    """Calls methods of an object that lives in another process, one at a time."""

    def __init__(self, connection: Connection, *, name: str, log: Path) -> None:
        self._connection = connection
        self._name = name
        self._log = log

    def call(self, method: str, **arguments: Any) -> Any:
        """What the method returns.

        Raises:
            StackError: it raised, or the process has ended.
        """
        try:
            self._connection.send((method, arguments))
            succeeded, value = self._connection.recv()
        except (EOFError, ConnectionError):
            raise StackError(f"{self._name} has ended", details=last_lines(self._log)) from None
        if not succeeded:
            raise StackError(f"{self._name} failed in {method}", details=value)
        return value


@contextmanager
def worker(
    target: str, *, name: str, environment: Mapping[str, str], directory: Path
) -> Iterator[Worker]:
    """Make an object of the class `package.module:Class` in a process that ends with the block."""
    ours, theirs = Pipe()
    log = directory / f"{name.replace(' ', '-')}.log"
    # The pipe is the standard input; what the process prints must not get between the answers.
    with theirs, log.open("wb") as output:
        child = spawn(
            [sys.executable, "-m", "tests.benchmarks.worker", target],
            stdin=theirs.fileno(),
            stdout=output,
            env={**_inherited(), **environment},
            cwd=ROOT,
        )
    try:
        with ours:
            yield Worker(ours, name=name, log=log)
    finally:
        stop(child, signals=_STOP_SIGNALS)


def _inherited() -> dict[str, str]:
    """Without the user's PG* variables, which would redirect connections."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}
