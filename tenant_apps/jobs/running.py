"""Carry a job out: validate, work, save, and clean up always.

A thread of its own gives signs of life, and finds out that the job was cancelled, was deleted, or is late.
What the job saves and its end are one transaction, so whatever kills it leaves both or neither.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from uuid import UUID

from django.db import Error as DatabaseFailure
from django.db import InterfaceError, OperationalError, connections, transaction

from shared_apps.core import context
from shared_apps.core.errors import AppError
from tenant_apps.jobs import files, kinds, selectors, services
from tenant_apps.jobs.choices import JobPhase, JobState
from tenant_apps.jobs.errors import JobFailedError, JobNotFoundError, JobStoppedError

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]

_INTERVAL: Final = 1.0  # seconds between two signs of life
_DEFECT: Final = "The job could not be carried out: an error of the product, which its log has."


def run_job(*, job_id: UUID, clock: Clock) -> JobState | None:
    """Its end; None: it was not pending, or it was stopped meanwhile.

    Raises:
        JobFailedError: it has failed, as its row says.
        OperationalError, InterfaceError: the database is away; the janitor takes the job up again.
    """
    claim = services.claim_job(job_id=job_id, at=clock())
    if claim is None:
        return None
    run = _Run(claim, clock)
    try:
        with run:
            outcome = run.carry_out()
    except JobStoppedError:
        return None
    except (OperationalError, InterfaceError):
        raise
    except AppError as error:
        _fail(claim, error.text, clock)
        raise JobFailedError(error.text) from error
    except Exception as error:
        logger.exception("A job has failed")
        _fail(claim, _DEFECT, clock)
        raise JobFailedError(_DEFECT) from error
    finally:
        _clean_up(claim)
    if outcome.error:
        raise JobFailedError(outcome.error)
    return JobState.COMPLETED


def _fail(claim: services.Claim, error: str, clock: Clock) -> None:
    with suppress(JobStoppedError):
        services.fail_job(claim=claim, error=error, at=clock())


def _clean_up(claim: services.Claim) -> None:
    """Of what this attempt has left; another one may be at work beside it."""
    files.remove(files.directory(claim.job_id) / f"work-{claim.attempt}")
    try:
        job = selectors.get_job(job_id=claim.job_id)
    except JobNotFoundError:
        files.tidy(claim.job_id, keeping="")
    except DatabaseFailure:
        logger.warning("What a job has left is for the janitor", exc_info=True)
    else:
        if job.is_finished:
            files.tidy(job.id, keeping=job.result_name)


class _Run:
    """A job in the hands of this process, and what its code is given of it."""

    def __init__(self, claim: services.Claim, clock: Clock) -> None:
        self._claim, self._clock = claim, clock
        self._phase, self._progress = JobPhase.VALIDATE, 0
        self._deadline = clock().timestamp() + claim.limit_seconds
        self._over, self._lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=context.bound(self._give_signs_of_life), name="job-lease", daemon=True
        )

    @property
    def requested_by(self) -> UUID:
        return self._claim.requested_by

    @property
    def upload(self) -> Path:
        return files.path(self._claim.upload_name)

    @cached_property
    def directory(self) -> Path:
        return files.make_work_directory(self._claim.job_id, self._claim.attempt)

    def advance(self, done: int, total: int) -> None:
        self._progress = min(100, 100 * done // max(total, 1))
        if self._lost.is_set():
            raise JobStoppedError

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._over.set()
        self._thread.join()

    def carry_out(self) -> kinds.Outcome:
        work = kinds.get(self._claim.kind).begin(self)
        work.validate()
        self._enter(JobPhase.WORK)
        work.work()
        self._enter(JobPhase.SAVE)
        with transaction.atomic():
            outcome = work.save()
            services.complete_job(claim=self._claim, outcome=outcome, at=self._clock())
        return outcome

    def _enter(self, phase: JobPhase) -> None:
        self._phase = phase
        self.advance(0, 1)
        # Told at once, so that whoever asks sees each phase, however short it is.
        if not self._report():
            raise JobStoppedError

    def _report(self) -> bool:
        return services.report_progress(
            claim=self._claim, phase=self._phase, progress=self._progress, at=self._clock()
        )

    def _give_signs_of_life(self) -> None:
        try:
            while not self._over.wait(_INTERVAL):
                try:
                    if self._is_lost():
                        self._lost.set()
                        return
                except DatabaseFailure:
                    logger.warning("A job could give no sign of life", exc_info=True)
        finally:
            connections.close_all()  # this thread's

    def _is_lost(self) -> bool:
        now = self._clock()
        if now.timestamp() < self._deadline:
            return not self._report()
        _fail(self._claim, services.out_of_time(self._claim.limit_seconds), self._clock)
        return True
