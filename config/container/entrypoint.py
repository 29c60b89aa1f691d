"""`/entrypoint COMMAND…`: complete the environment, wait for PostgreSQL, become the command."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config.container import frontend, urls, waiting
from config.env import Environment

_NOT_FOUND, _NOT_EXECUTABLE = 127, 126  # as a shell says


def main(command: list[str]) -> NoReturn:
    # As process 1 nothing ends us that we do not take notice of.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    if not command:
        sys.exit("entrypoint: no command; give one of /start, /start-web, /start-celeryworker, …")
    problems: list[str] = []
    environment = urls.complete(os.environ, problems=problems)
    read = Environment(environment, problems)
    seconds = read.integer("POSTGRES_WAIT_SECONDS", default=60, low=0, high=3600)
    url = read.text("DATABASE_URL", default="")
    if path := read.text("FRONTEND_CONFIG_FILE", default=""):
        frontend.write(Path(path), environment=environment, problems=problems)
    if problems:
        sys.exit("entrypoint: " + "; ".join(sorted(set(problems))))
    if url and seconds:
        try:
            waiting.wait_for(url, seconds=seconds, report=_report)
        except waiting.NoAnswerError as error:
            sys.exit(f"entrypoint: {error}")
    _become(command, environment)


def _become(command: list[str], environment: dict[str, str]) -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)
    except FileNotFoundError:
        print(f"entrypoint: there is no command {command[0]}", file=sys.stderr)
        sys.exit(_NOT_FOUND)
    except OSError as error:
        print(f"entrypoint: {command[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(_NOT_EXECUTABLE)


def _end(number: int, _: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _report(line: str) -> None:
    print(f"entrypoint: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
