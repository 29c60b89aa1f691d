"""A plan, carried out: several tenants at a time, and one that fails does not stop the others."""

import contextvars
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from django.db import connections

from shared_apps.accounts import errors as accounts_errors
from shared_apps.accounts import services as accounts
from shared_apps.audit.sinks import declaring
from shared_apps.core.errors import explain
from shared_apps.core.references import SecretMissingError, Secrets
from shared_apps.core.required import required
from shared_apps.onboarding import sign_in
from shared_apps.onboarding.choices import PROVISIONING, Step
from shared_apps.onboarding.declaration.problems import DeclarationError, Problem
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD
from shared_apps.onboarding.errors import ProvisioningError
from shared_apps.onboarding.planning import PROVISIONED, Action, Change, Plan
from shared_apps.onboarding.provisioning import changing, engine, locks, recording, undo
from shared_apps.onboarding.provisioning.recording import Clock, Recorder
from shared_apps.onboarding.provisioning.steps import Work
from shared_apps.tenants import routing
from shared_apps.tenants.database import recycling

PRUNED = "No longer declared."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change."""

    slug: str
    action: Action
    seconds: float
    error: str = ""
    is_undone: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    run_id: UUID
    outcomes: tuple[Outcome, ...]
    """In the order of the plan."""

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.error)


@dataclass(frozen=True, slots=True)
class Options:
    secrets: Secrets
    clock: Clock
    jobs: int = 1
    undoes_failed: bool = False


@contextmanager
def exclusive(*, clock: Clock) -> Iterator[None]:
    """Nobody else applies meanwhile; what an apply that died left behind is closed.

    Raises:
        ApplyRunningError: somebody does.
    """
    with locks.only_apply():
        if recording.interrupt_abandoned(at=clock()):
            routing.announce_change()
        yield


def check_secrets(plan: Plan, secrets: Secrets) -> None:
    """Look up every secret that the plan needs, before anything changes.

    Raises:
        DeclarationError: with every one that is missing or not acceptable.
        SettingMissingError: sinks are declared, and this process has not the login that makes them.
    """
    problems: list[Problem] = []
    for change in plan.changes:
        if change.action == Action.ARCHIVE:
            continue
        spec = plan.spec_of(change)
        if spec.sinks is not None:
            required("AUDIT_MIGRATION_DATABASE_URL")
        is_new = change.action in PROVISIONED
        needed = spec.auth.secrets if is_new else sign_in.stored_references(spec.auth)
        for name, reference in needed.items():
            try:
                value = secrets.read(reference)
                if name == ADMIN_PASSWORD:
                    accounts.require_acceptable_password(email=spec.admins[0], password=value)
            except SecretMissingError as error:
                text = error.text
            except accounts_errors.PasswordRejectedError as error:
                text = f"the password is not acceptable: {' '.join(error.details['password'])}"
            else:
                continue
            number = change.number or 0
            problems.append(plan.declaration.problem(number, "auth", "secrets", name, text=text))
    if problems:
        raise DeclarationError(problems)


def apply_plan(
    plan: Plan, *, options: Options, report: Callable[[Outcome, int], None] = lambda *_: None
) -> Result:
    """Carry out every change; `report` is called in this thread with each outcome and their number.

    The caller is in `exclusive` and has checked the secrets.
    """
    run = recording.open_run(
        steps=[(change.slug, _steps_of(change)) for change in plan.changes], at=options.clock()
    )
    waiting: queue.SimpleQueue[Change] = queue.SimpleQueue()
    for change in plan.changes:
        waiting.put(change)
    finished: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                change = waiting.get_nowait()
                finished.put(_carry_out(change, plan, run.id, options))
                for alias in connections:
                    recycling.renew(alias)
        except queue.Empty:
            pass
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work,), name=f"apply-{n}")
        for n in range(min(options.jobs, len(plan.changes)))
    ]
    outcomes: dict[str, Outcome] = {}
    try:
        for thread in threads:
            thread.start()
        while len(outcomes) < len(plan.changes):
            outcome = finished.get()
            outcomes[outcome.slug] = outcome
            report(outcome, len(outcomes))
    finally:
        # After Ctrl-C: the tenants in hand are finished, no other is begun.
        stop.set()
        for thread in threads:
            thread.join()
    result = Result(run.id, tuple(outcomes[change.slug] for change in plan.changes))
    failed = len(result.failed)
    error = f"{failed} of {len(plan.changes)} failed" if failed else ""
    recording.close_run(run_id=run.id, at=options.clock(), error=error)
    return result


def _steps_of(change: Change) -> tuple[Step, ...]:
    if change.action in PROVISIONED:
        return PROVISIONING
    return (Step.ARCHIVE,) if change.action == Action.ARCHIVE else (Step.CHANGE,)


def _carry_out(change: Change, plan: Plan, run_id: UUID, options: Options) -> Outcome:
    started = time.monotonic()
    recorder = Recorder(run_id=run_id, slug=change.slug, clock=options.clock)
    error, is_undone = "", False
    try:
        if change.action in PROVISIONED:
            work = Work(plan.spec_of(change), options.secrets, options.clock())
            tenant = engine.provision(work=work, recorder=recorder)
            _declare_sinks(work, tenant.id)
        else:
            _change(change, plan, recorder, options)
    except ProvisioningError as failure:
        error = failure.text.removeprefix(f"{change.slug}: ")
        if options.undoes_failed:
            error, is_undone = _undo(change.slug, error)
    except Exception as failure:
        error = explain(failure)
        connections.close_all()
        _record_failure(recorder, error)
    return Outcome(change.slug, change.action, time.monotonic() - started, error, is_undone)


def _change(change: Change, plan: Plan, recorder: Recorder, options: Options) -> None:
    recorder.begin(_steps_of(change)[0])
    if change.action == Action.ARCHIVE:
        changing.archive_tenant(slug=change.slug, reason=PRUNED, at=options.clock())
    else:
        work = Work(plan.spec_of(change), options.secrets, options.clock())
        tenant = changing.change_tenant(work=work)
        _declare_sinks(work, tenant.id)
    recorder.complete()


def _declare_sinks(work: Work, tenant_id: UUID) -> None:
    """In another database, so after the tenant: where that is away, the next apply does it."""
    if work.spec.sinks is not None:
        wanted = work.spec.wanted_sinks(work.secrets)
        declaring.declare(tenant_id=tenant_id, wanted=wanted)


def _undo(slug: str, error: str) -> tuple[str, bool]:
    try:
        undo.undo_failed(slug=slug)
    except Exception as failure:
        return f"{error}; and it could not be undone: {explain(failure)}", False
    return error, True


def _record_failure(recorder: Recorder, error: str) -> None:
    try:
        recorder.fail(error)
    except Exception:
        connections.close_all()
