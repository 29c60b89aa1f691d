"""The quickstart's command line: start here or in the background, stop, reset."""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from scripts.stack import background, directories
from scripts.stack.console import Console, for_people
from scripts.stack.errors import StackError
from scripts.stack.postmaster import end_orphans
from scripts.stack.process import is_alive
from scripts.stack.run import check_port, run
from scripts.stack.state import State
from scripts.stack.summary import table

_START_SECONDS = 300.0
_STOP_SECONDS = 90.0


def main(arguments: list[str], *, description: str) -> None:
    """Raises StackError with what to tell the user."""
    options = _parse(arguments, description=description)
    state = State.from_environment()
    if options.stop or options.reset:
        if options.stop:
            stop(state)
        if options.reset:
            reset(state)
        return
    _start(
        state,
        port=_port(),
        detach=options.detach,
        with_directories=options.with_directories,
        as_json=options.json,
    )


def stop(state: State) -> None:
    """Return when no process of the quickstart is left; fine when none ran."""
    process = state.running_process()
    if process is None:
        # One that was killed with -9 leaves a database server that is on its way down.
        end_orphans(state.postgres / "data")
        print("Not running.")
        return
    os.kill(process, signal.SIGTERM)
    if not _has_gone(state, process, seconds=_STOP_SECONDS):
        os.kill(process, signal.SIGKILL)  # Its children die with it.
        _has_gone(state, process, seconds=10)
        end_orphans(state.postgres / "data")
    print("Stopped.")


def reset(state: State) -> None:
    """Throw the data away.

    Raises:
        StackError: it runs, or the directory is not a quickstart's.
    """
    if not state.path.exists():
        print(f"Nothing in {state.path}.")
        return
    state.check_marked()
    if not state.lock.try_acquire():
        raise StackError(f"A quickstart runs in {state.path}; stop it first, or use --stop --reset")
    end_orphans(state.postgres / "data")
    state.delete()
    print(f"Deleted the quickstart's data in {state.path}.")


def _start(state: State, *, port: int, detach: bool, with_directories: bool, as_json: bool) -> None:
    console = for_people(json=as_json)
    if state.running_process() is None:
        state.create()
    while not state.lock.try_acquire():
        if _becomes_healthy(state, console):
            if with_directories and directories.described(state, directories.TENANTS[0]) is None:
                raise StackError(
                    f"The quickstart in {state.path} runs without directories; stop it first"
                )
            _show(state, console, as_json=as_json)
            return
    check_port(port)
    if detach:
        # The background process takes the lock over from this one.
        background.start(state, port=port, with_directories=with_directories, console=console)
        _show(state, console, as_json=as_json)
        return
    run(
        state,
        port=port,
        with_directories=with_directories,
        console=console,
        healthy=lambda: _show(state, console, as_json=as_json, hint="Stop with Ctrl-C."),
        stopping="Stopping ...",
    )


def _becomes_healthy(state: State, console: Console) -> bool:
    """Wait for somebody else's start; False when it ends, so that this one can have its turn."""
    console.line(f"Already running in {state.path} (process {state.running_process()}).")
    deadline = time.monotonic() + _START_SECONDS
    while not state.summary.exists():
        if state.running_process() is None:
            return False
        if time.monotonic() > deadline:
            raise StackError(f"The other start in {state.path} hangs; see {state.own_log}")
        time.sleep(0.1)
    return True


def _show(state: State, console: Console, *, as_json: bool, hint: str = "") -> None:
    if as_json:
        print(json.dumps(json.loads(state.summary.read_text()), indent=2), flush=True)
    else:
        console.line(table(state))
        console.line(hint or "Stop with scripts/quickstart --stop")


def _has_gone(state: State, process: int, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if state.running_process() is None and not is_alive(process):
            return True
        time.sleep(0.05)
    return False


def _port() -> int:
    value = os.environ.get("FREEHOLD_PORT") or "8000"
    if not value.isdecimal() or not 1 <= int(value) <= 65535:
        raise StackError(f"FREEHOLD_PORT must be a number from 1 to 65535, not {value!r}")
    return int(value)


def _parse(arguments: list[str], *, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=Path(sys.argv[0]).name,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--detach", action="store_true", help="return when healthy; run on in the background"
    )
    parser.add_argument(
        "--with-directories",
        action="store_true",
        help="acme signs in by OpenLDAP, globex by Active Directory (needs slapd and Docker)",
    )
    parser.add_argument("--stop", action="store_true", help="stop; wait until no process is left")
    parser.add_argument(
        "--reset", action="store_true", help="throw the data away (with --stop if it runs)"
    )
    parser.add_argument("--json", action="store_true", help="print addresses and sign-ins as JSON")
    options = parser.parse_args(arguments)
    for name, given in (
        ("--detach", options.detach),
        ("--with-directories", options.with_directories),
    ):
        if given and (options.stop or options.reset):
            parser.error(f"{name} starts; it cannot be combined with --stop or --reset")
    return options
