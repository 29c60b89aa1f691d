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

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 40.0  # seconds
STOP_TIMEOUT = 10.0


@dataclass(frozen=True)
class Worker:
    queue: str
    process: "subprocess.Popen[bytes]"
    log: Path

    def lines(self, containing: str = "") -> list[str]:
        return [line for line in self.log.read_text().splitlines() if containing in line]

    def kill(self) -> None:
        """As the kernel does when memory runs out: the whole family, without a word."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextmanager
def running_worker(
    pool: str,
    *,
    queue: str,
    directory: Path,
    also: tuple[str, ...] = (),
    concurrency: int = 2,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Worker]:
    """A worker that is ready; stopped, or killed when it does not stop, at the end of the block."""
    log = directory / f"{queue}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "celery", "-A", "config.celery_app", "worker", "-l", "INFO", "-I", "tests.probes",
                "--pool", pool, "--concurrency", str(concurrency), "-Q", ",".join([queue, *also]),
                "--without-gossip", "--without-mingle", "-n", f"{queue}@%h",
            ],
            cwd=ROOT,
            env={**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    worker = Worker(queue=queue, process=process, log=log)
    try:
        _wait_until_ready(worker)
        yield worker
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                worker.kill()


def _wait_until_ready(worker: Worker) -> None:
    until = time.monotonic() + START_TIMEOUT
    while not any(line.endswith("ready.") for line in worker.lines("ready.")):
        if worker.process.poll() is not None or time.monotonic() > until:
            raise AssertionError(f"the worker did not start:\n{worker.log.read_text()[-4000:]}")
        time.sleep(0.1)
