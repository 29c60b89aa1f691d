"""Run the quickstart in the background; return when it is healthy."""

import os
import signal
import traceback
from typing import NoReturn, TextIO

from scripts.stack.console import Console
from scripts.stack.errors import StackError
from scripts.stack.output import OutputLog
from scripts.stack.process import die_with_parent, outlive_parent
from scripts.stack.run import run
from scripts.stack.state import State

# What a line from the background process begins with.
_PROGRESS, _ERROR, _HEALTHY = "progress ", "error ", "healthy"


def start(state: State, *, port: int, with_directories: bool, console: Console) -> None:
    """Fork a process that runs on, and wait until it is healthy. It shares the held lock.

    Raises:
        StackError: it does not come up; nothing is left running.
    """
    reader, writer = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _serve(
            state,
            port=port,
            with_directories=with_directories,
            parent=parent,
            watcher=os.fdopen(writer, "w"),
        )
    os.close(writer)
    try:
        with os.fdopen(reader) as lines:
            error = _watch(lines, console)
    except BaseException:
        # Ctrl-C here means the whole start, also the part that is in another session.
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
        raise
    if error is not None:
        os.waitpid(child, 0)
        raise StackError(error)


def _watch(lines: TextIO, console: Console) -> str | None:
    """Pass on the progress until it is healthy; what went wrong otherwise."""
    errors = []
    for line in lines:
        if line.startswith(_HEALTHY):
            return None
        if line.startswith(_PROGRESS):
            console.line(line.removeprefix(_PROGRESS).rstrip("\n"))
        else:
            errors.append(line.removeprefix(_ERROR))
    return "".join(errors).rstrip("\n") or "The background process was killed"


def _serve(
    state: State, *, port: int, with_directories: bool, parent: int, watcher: TextIO
) -> NoReturn:
    os.setsid()
    # Until it is healthy it belongs to the command that started it.
    die_with_parent(parent=parent, death_signal=signal.SIGTERM)
    state.lock.record_holder()
    log = OutputLog(state.own_log, name="quickstart")
    _detach_standard_streams(state)

    def tell(kind: str, text: str) -> None:
        for line in text.splitlines():
            log.write(line)
            if not watcher.closed:
                print(f"{kind}{line}", file=watcher, flush=True)

    def healthy() -> None:
        outlive_parent()
        tell(_HEALTHY, "healthy")
        watcher.close()

    code = 1
    try:
        console = Console(lambda line: tell(_PROGRESS, line))
        run(
            state,
            port=port,
            with_directories=with_directories,
            console=console,
            healthy=healthy,
            stopping="Stopping ...",
        )
        code = 0
    except StackError as error:
        tell(_ERROR, str(error))
    except BaseException:
        tell(_ERROR, traceback.format_exc())
    finally:
        # Not back into the caller's code, which belongs to the other process.
        os._exit(code)


def _detach_standard_streams(state: State) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    log = os.open(state.own_log, os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(nothing)
    os.close(log)
