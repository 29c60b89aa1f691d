"""A run over the fleet: the shared schema, a canary wave, then everybody else over several connections.

What is not done is found by one query, so a run with nothing to do costs that and one that was stopped goes
on where it was. Two runs at once share the work: each schema belongs to whoever locks it first.
"""

import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections

from shared_apps.core import attribution, context
from shared_apps.fleet import selectors, tenant_run
from shared_apps.fleet.choices import OutcomeState, RunState
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import Run
from shared_apps.fleet.plans import Examine, Plans
from shared_apps.fleet.selectors import Member
from shared_apps.fleet.tenant_run import Limits, Result
from shared_apps.tenants import routing
from shared_apps.tenants.database import recycling

_ASK_AGAIN = 0.5  # seconds until a schema that another run holds is asked for again
_ANNOUNCE_EVERY = 1.0  # seconds; each announcement empties the memory of every process


@dataclass(frozen=True, slots=True)
class Options:
    jobs: int = 4
    canary: int = 1
    max_failures: int = 10
    """When more than these have failed, no further tenant is started."""
    only: str | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. `state` DONE: every tenant is at the code's version."""

    state: RunState
    planned: int
    results: tuple[Result, ...] = ()
    note: str = ""
    run_id: UUID | None = None

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.state == OutcomeState.FAILED]


OnResult = Callable[[Result, int, int], None]
"""Called with each result, the number of tenants done with, and the number planned."""


def run(
    options: Options, *, examine: Examine, on_result: OnResult, stop: threading.Event
) -> Summary:
    """Migrate what is not at the code's version; `stop` ends the run after the tenants in hand.

    Raises:
        UnknownTenantError: `only` names none.
        BreakingMigrationError, DatabaseAheadError: nothing was changed.
    """
    target = selectors.get_target().fingerprint
    members = selectors.list_members(not_at=target, slug=options.only)
    if not members:
        return Summary(RunState.DONE, 0)
    plans = Plans(examine=examine)
    plans.prepare({member.fingerprint for member in members})
    record = _open_run(target, len(members))
    work = _Work(options, plans, record.id, target, on_result, stop, total=len(members))
    canaries = members[: options.canary]
    note = ""
    work.over(canaries)
    if work.failed and len(members) > len(canaries):
        note = "the canary wave failed; no other tenant was touched"
    elif not work.failed and not stop.is_set():
        work.over(members[len(canaries) :])
    if work.fatal is not None:
        _close_run(record, RunState.FAILED, tenant_run.describe(work.fatal))
        raise work.fatal
    state = RunState.DONE if len(work.results) == len(members) else RunState.STOPPED
    if work.failed:
        state = RunState.FAILED
        left = len(members) - len(work.results)
        note = note or (f"too many failures; {left} tenants were not started" if left else "")
    _close_run(record, state, note)
    return Summary(state, len(members), tuple(work.results), note, record.id)


class _Work:
    """The waves of one run and the threads that do them."""

    def __init__(
        self,
        options: Options,
        plans: Plans,
        run_id: UUID,
        target: str,
        on_result: OnResult,
        stop: threading.Event,
        *,
        total: int,
    ) -> None:
        self._options = options
        self._plans = plans
        self._run_id = run_id
        self._target = target
        self._on_result = on_result
        self._stop = stop
        self._total = total
        self._lock = threading.Lock()
        self._announced = 0.0
        self.results: list[Result] = []
        self.failed = 0
        self.fatal: Exception | None = None

    def over(self, members: list[Member]) -> None:
        """Work through a wave; returns when no tenant is in hand any more."""
        if not members:
            return
        waiting: queue.SimpleQueue[Member] = queue.SimpleQueue()
        for member in members:
            waiting.put(member)
        who = attribution.current()
        threads = [
            threading.Thread(target=self._work, args=(waiting, who), name=f"fleet-{number}")
            for number in range(min(self._options.jobs, len(members)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # so that signals are seen
        routing.announce_change()

    def _work(self, waiting: "queue.SimpleQueue[Member]", who: attribution.Attribution) -> None:
        try:
            with attribution.acting(who):
                tenant_run.set_limits(self._options.limits)
                while not self._is_over():
                    try:
                        member = waiting.get_nowait()
                    except queue.Empty:
                        return
                    self._do(member, waiting)
                    if recycling.renew(MIGRATION_ALIAS):
                        tenant_run.set_limits(self._options.limits)
        except Exception as error:  # the main thread raises it
            self.fatal = error
        finally:
            connections[MIGRATION_ALIAS].close()

    def _do(self, member: Member, waiting: "queue.SimpleQueue[Member]") -> None:
        result = tenant_run.migrate(
            member,
            plans=self._plans,
            run=self._run_id,
            target=self._target,
            limits=self._options.limits,
        )
        if result is None:
            waiting.put(member)
            self._stop.wait(_ASK_AGAIN if waiting.qsize() < self._options.jobs else 0)
            return
        with self._lock:
            self.results.append(result)
            self.failed += result.state == OutcomeState.FAILED
            self._on_result(result, len(self.results), self._total)
            is_due = time.monotonic() - self._announced > _ANNOUNCE_EVERY
            if is_due:
                self._announced = time.monotonic()
        if is_due:
            routing.announce_change()

    def _is_over(self) -> bool:
        return (
            self._stop.is_set()
            or self.fatal is not None
            or self.failed > self._options.max_failures
        )


def _open_run(target: str, planned: int) -> Run:
    with context.operator():
        return Run.objects.using(MIGRATION_ALIAS).create(
            target=target,
            runner=f"{socket.gethostname()}:{os.getpid()}",
            planned=planned,
            started_at=datetime.now(UTC),
        )


def _close_run(record: Run, state: RunState, note: str) -> None:
    with context.operator():
        Run.objects.using(MIGRATION_ALIAS).filter(id=record.id).update(
            state=state, note=note, finished_at=datetime.now(UTC)
        )
