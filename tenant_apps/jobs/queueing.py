"""Who carries jobs out: a Celery worker, or for development and tests a thread of this process."""

import contextvars
import logging
import threading
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import Final, Protocol
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction

from shared_apps.core import context, queue

logger = logging.getLogger(__name__)

RUN_TASK: Final = "jobs.run"
# For a process that hangs: a job that is late is declared failed before it is killed.
_GRACE: Final = 5  # seconds


@dataclass(frozen=True, slots=True)
class QueuedJob:
    id: UUID
    task_id: str
    limit_seconds: int


class Executor(Protocol):
    def submit(self, job: QueuedJob) -> None: ...
    def withdraw(self, job: QueuedJob) -> None: ...


class JobQueue:
    """After the transaction commits, each job once or more; a job that fails stops no other.

    A job that is added and lost (no broker, a process that dies) is added again by the janitor.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def add(self, job: QueuedJob) -> None:
        self._executor.submit(job)

    def withdraw(self, job: QueuedJob) -> None:
        """Have it not begun, if it has not; whoever is at it finds out by itself."""
        self._executor.withdraw(job)


class CeleryExecutor:
    def submit(self, job: QueuedJob) -> None:
        queue.dispatch(
            RUN_TASK,
            task_id=job.task_id,
            time_limit=job.limit_seconds + _GRACE,
            job_id=str(job.id),
        )

    def withdraw(self, job: QueuedJob) -> None:
        queue.revoke(job.task_id)


class InProcessExecutor:
    """One after another in one thread, which begins with the first job."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[contextvars.Context, QueuedJob]] = SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def submit(self, job: QueuedJob) -> None:
        context.require_tenant()
        captured = contextvars.copy_context()
        transaction.on_commit(lambda: self._put(captured, job), robust=True)

    def withdraw(self, job: QueuedJob) -> None:
        """Nothing: a job that is not pending any more is not begun."""

    def _put(self, captured: contextvars.Context, job: QueuedJob) -> None:
        self._waiting.put((captured, job))
        with self._start:
            if self._thread is None:
                self._thread = threading.Thread(target=self._drain, name="jobs", daemon=True)
                self._thread.start()

    def _drain(self) -> None:
        while True:
            captured, job = self._waiting.get()
            try:
                captured.run(queue.run_here, RUN_TASK, task_id=job.task_id, job_id=str(job.id))
            except Exception:  # the next one has nothing to do with it
                logger.exception("A job could not be carried out")
            finally:
                connections.close_all()


@cache
def _executor(name: str) -> Executor:
    return InProcessExecutor() if name == "in-process" else CeleryExecutor()


def jobs() -> JobQueue:
    """The installation's own."""
    return JobQueue(_executor(settings.JOBS_EXECUTOR))
