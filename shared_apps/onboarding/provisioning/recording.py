"""Runs and their steps in the database, for whoever watches and whoever takes up what died."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from shared_apps.core import attribution, context
from shared_apps.onboarding.choices import RunAction, RunState, Step, StepState
from shared_apps.onboarding.models import Run, RunStep

Clock = Callable[[], datetime]

_INTERRUPTED = "the process ended before the step did"


def open_run(
    *,
    steps: Iterable[tuple[str, Iterable[Step]]],
    at: datetime,
    state: RunState = RunState.RUNNING,
    declared: Mapping[str, Any] | None = None,
    action: RunAction = RunAction.PROVISION,
    arguments: Mapping[str, Any] | None = None,
) -> Run:
    """A run with every step that it will take: slug → steps."""
    run = Run(
        state=state,
        declared=declared,
        action=action,
        arguments=arguments or {},
        requested_by=attribution.current().user_id,
        created_at=at,
    )
    with context.operator(), transaction.atomic():
        run.save(force_insert=True)
        RunStep.objects.bulk_create(
            [RunStep(run=run, slug=slug, step=step) for slug, own in steps for step in own],
            batch_size=1000,
        )
    return run


def begin_run(*, run_id: UUID) -> None:
    with context.operator():
        Run.objects.filter(id=run_id).update(state=RunState.RUNNING, finished_at=None, error="")


def close_run(*, run_id: UUID, at: datetime, error: str = "") -> None:
    state = RunState.FAILED if error else RunState.SUCCEEDED
    with context.operator():
        Run.objects.filter(id=run_id).update(state=state, finished_at=at, error=error)


def note_report(*, run_id: UUID, report: str) -> None:
    with context.operator():
        Run.objects.filter(id=run_id).update(report=report[:200])


def interrupt_abandoned(*, at: datetime) -> int:
    """Close the runs of applies that died; the caller holds the lock that they held."""
    with context.operator(), transaction.atomic():
        abandoned = Run.objects.filter(
            state=RunState.RUNNING, action=RunAction.PROVISION, declared__isnull=True
        )
        RunStep.objects.filter(run__in=abandoned, state=StepState.RUNNING).update(
            state=StepState.FAILED, finished_at=at, error=_INTERRUPTED
        )
        return abandoned.update(
            state=RunState.INTERRUPTED, finished_at=at, error="the process ended"
        )


@dataclass(slots=True)
class Recorder:
    """The steps of one tenant in one run. A step that was done stays so when it is done again."""

    run_id: UUID
    slug: str
    clock: Clock
    _begun: Step | None = None

    def begin(self, step: Step) -> None:
        """The step before is done."""
        with context.operator(), transaction.atomic():
            self._finish(StepState.DONE)
            self._steps().filter(step=step).exclude(state=StepState.DONE).update(
                state=StepState.RUNNING,
                attempt=F("attempt") + 1,
                started_at=self.clock(),
                finished_at=None,
                error="",
            )
        self._begun = step

    def complete(self) -> None:
        with context.operator():
            self._finish(StepState.DONE)

    def complete_all(self) -> None:
        """Somebody else did the rest."""
        with context.operator():
            self._steps().exclude(state=StepState.DONE).update(
                state=StepState.DONE, finished_at=self.clock()
            )

    def fail(self, error: str) -> None:
        with context.operator():
            self._finish(StepState.FAILED, error)

    def _finish(self, state: StepState, error: str = "") -> None:
        if self._begun is not None:
            self._steps().filter(step=self._begun).exclude(state=StepState.DONE).update(
                state=state, finished_at=self.clock(), error=error
            )

    def _steps(self) -> Any:
        return RunStep.objects.filter(run_id=self.run_id, slug=self.slug)
