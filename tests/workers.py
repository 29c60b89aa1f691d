"""Real Celery workers: processes of their own, on the suite's Redis and databases."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from celery import current_app

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 120.0  # seconds
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Worker:
    queue: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def lines(self, containing: str = "") -> list[str]:
        return [line for line in self.log.read_text().splitlines() if containing in line]


@contextmanager
def running_worker(
    pool: str,
    *,
    queue: str,
    directory: Path,
    also: tuple[str, ...] = (),
    concurrency: int = 2,
    environment: Mapping[str, str] | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Worker]:
    """A worker that is ready; `options` are Celery's own."""
    command = [
        *options, "worker", "-l", "INFO", "-I", "tests.probes",
        "--pool", pool, "--concurrency", str(concurrency), "-Q", ",".join([queue, *also]),
        "--without-gossip", "--without-mingle", "-n", f"{queue}@%h",
    ]  # fmt: skip
    log = directory / f"{queue}-{time.monotonic_ns()}.log"
    with _running(command, log=log, ready="ready.", environment=environment) as process:
        yield Worker(queue=queue, process=process, log=log)


def purge(queue: str) -> None:
    """Take out what other tests sent there, where no worker was."""
    with current_app.connection_for_write() as connection:
        connection.default_channel.queue_purge(queue)


@contextmanager
def running_beat(*, directory: Path, environment: Mapping[str, str]) -> Iterator[None]:
    command = ["beat", "-l", "INFO", "--schedule", str(directory / "schedule"), "--pidfile="]
    log = directory / "beat.log"
    with _running(command, log=log, ready="beat: Starting...", environment=environment):
        yield


@contextmanager
def _running(
    command: list[str], *, log: Path, ready: str, environment: Mapping[str, str] | None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Started once a line ends with `ready`; stopped, or else killed, at the end of the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "config.celery_app", *command],
            cwd=ROOT,
            env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + START_TIMEOUT
        while not any(line.rstrip('"}').endswith(ready) for line in log.read_text().splitlines()):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"celery did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """As the kernel does when memory runs out: the whole family, without a word."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
