"""Runs `manage.py tenant …` and kills itself with SIGKILL at a given moment: run as a program by the tests.

Reads lines of JSON, `[number, argument, …]`, forks a child for each, and answers with the child's exit code and
the number of its moments. A moment is before a statement is sent to PostgreSQL, or before a file is changed;
at the one of that number it dies (0: at none).
Forking once Django is set up spares each moment the start of an interpreter.
"""

import json
import mmap
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_FILE_CHANGES = {"os.link", "os.mkdir", "os.remove", "os.rmdir", "os.rename"}


class Moments:
    """Counted in memory that the parent shares, so that it knows of a child that is dead."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 8)
        self.last = 0

    @property
    def count(self) -> int:
        return int.from_bytes(self._shared[:8], "big")

    def begin(self, last: int) -> None:
        self._shared[:8] = bytes(8)
        self.last = last

    def pass_one(self) -> None:
        self._shared[:8] = (self.count + 1).to_bytes(8, "big")
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around_statement(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.pass_one()
        return execute(*arguments)

    def on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        is_written = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if is_written or event in _FILE_CHANGES:
            self.pass_one()


def serve(run: "Callable[[list[str], Moments], int]") -> None:
    """Answer line after line; Django is set up when `run` is called."""
    sys.dont_write_bytecode = True  # these files are nobody's business
    import django

    django.setup()
    moments = Moments()
    for line in sys.stdin:
        last, *arguments = json.loads(line)
        moments.begin(last)
        child = os.fork()
        if child == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            os._exit(run(arguments, moments))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), moments.count, flush=True)


def run(arguments: list[str], moments: Moments) -> int:
    from django.core.management import CommandError, call_command
    from django.db import connections

    from shared_apps.core import attribution, context

    with ExitStack() as counted:
        for connection in connections.all():
            counted.enter_context(connection.execute_wrapper(moments.around_statement))
        sys.addaudithook(moments.on_event)
        try:
            with context.operator(), attribution.acting(attribution.command("tenant")):
                call_command("tenant", *arguments, stderr=sys.stderr)
        except CommandError as error:
            print(error, file=sys.stderr)
            return error.returncode
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    serve(run)
