"""`python -m config.container.start PROGRAM`: what /start and its companions do.

`--prepare` first brings the installation to this version: one container at a time over all replicas
(`manage.py prepare`), as a process of its own which is told to end when we are.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

from config import programs
from config.env import Environment

_PREPARE = [sys.executable, "manage.py", "prepare"]
# For preparing alone.
_WITHHELD = ("DJANGO_SUPERUSER_EMAIL", "DJANGO_SUPERUSER_PASSWORD")
_STATE = Path("/var/lib/freehold")


def main(arguments: list[str]) -> NoReturn:
    prepares = "--prepare" in arguments
    (program,) = [argument for argument in arguments if argument != "--prepare"]
    read = Environment()
    command = [sys.executable, *_arguments(program, read)]
    if read.problems:
        sys.exit(f"start: {'; '.join(sorted(set(read.problems)))}")
    if prepares and (code := _run(_PREPARE)):
        sys.exit(code)
    environment = programs.environment_of(program, os.environ)
    for name in _WITHHELD:
        environment.pop(name, None)
        environment.pop(f"{name}_FILE", None)
    if program == "flower":
        environment.pop("FLOWER_BASIC_AUTH_FILE", None)
        environment["FLOWER_BASIC_AUTH"] = read.text("FLOWER_BASIC_AUTH")
    _make_metrics_directory(program, environment)
    os.execve(command[0], command, environment)


def _arguments(program: str, read: Environment) -> tuple[str, ...]:
    match program:
        case "web":
            return programs.web(
                *read.names("WEB_BIND", default=["0.0.0.0:5000"]),  # a container's own addresses
                workers=read.integer("WEB_CONCURRENCY", default=2, low=1, high=256),
                graceful_seconds=read.integer("WEB_GRACEFUL_SECONDS", default=25, low=1, high=3600),
            )
        case "worker":
            concurrency = read.integer("WORKER_CONCURRENCY", default=2, low=1, high=256)
            return programs.worker(concurrency=concurrency)
        case "provisioner":
            return programs.provisioner()
        case "beat":
            return programs.beat(schedule=str(_state() / "celerybeat-schedule"))
        case "relay":
            return programs.relay()
        case "flower":
            # It shows what tasks are called with: to nobody without a password.
            if ":" not in read.text("FLOWER_BASIC_AUTH"):
                read.problems.append("FLOWER_BASIC_AUTH must be name:password")
            return programs.flower(
                port=read.integer("FLOWER_PORT", default=5555, low=1, high=65535)
            )
    sys.exit(f"start: there is no program {program}")


def _state() -> Path:
    """Kept where something is mounted to keep it: without it beat forgets what it has done when it ends."""
    return _STATE if os.access(_STATE, os.W_OK) else Path(tempfile.gettempdir())


def _make_metrics_directory(program: str, environment: dict[str, str]) -> None:
    """Empty, because figures of processes that are gone are not counted on."""
    if program == "flower":
        return
    default = Path(tempfile.gettempdir()) / "metrics"
    directory = Path(environment.setdefault("PROMETHEUS_MULTIPROC_DIR", str(default)))
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _run(command: list[str]) -> int:
    """Its exit code; it gets our signals, and its end is waited for."""
    process: subprocess.Popen[bytes] | None = None
    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        if process is not None:
            process.send_signal(number)

    before = {n: signal.signal(n, forward) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        process = subprocess.Popen(command)
        if received:
            process.send_signal(received[0])
        code = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        return 128 + received[0]
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main(sys.argv[1:])
