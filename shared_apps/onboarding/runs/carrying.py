"""Runs that operators asked for, carried out where the migration login is.

A run whose process died is taken up again, step by step: each step finds what an earlier attempt left, and
either completes it or takes it back and begins anew. Nothing that an earlier attempt left half is served.
"""

import logging
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from shared_apps.core import attribution, context
from shared_apps.core.errors import explain
from shared_apps.fleet import services as fleet
from shared_apps.fleet.choices import RunState as FleetState
from shared_apps.onboarding.archive.exporting import Report, export_tenant
from shared_apps.onboarding.archive.restoring import restore_tenant
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.choices import Step, StepState
from shared_apps.onboarding.deleting import Deletion, purge_tenant, schedule_deletion
from shared_apps.onboarding.errors import FleetNotMigratedError
from shared_apps.onboarding.models import Run, RunStep
from shared_apps.onboarding.provisioning import recording
from shared_apps.onboarding.provisioning.engine import is_half_restored
from shared_apps.onboarding.provisioning.recording import Clock, Recorder
from shared_apps.onboarding.provisioning.undo import undo_failed
from shared_apps.onboarding.renaming import clone_tenant, rename_tenant
from shared_apps.onboarding.runs import archives
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.choices import UNFINISHED
from shared_apps.tenants.errors import TenantNotFoundError
from shared_apps.tenants.models import Tenant

logger = logging.getLogger(__name__)

_MOST_ATTEMPTS = 5
_GIVEN_UP = "given up: the process died in this step {} times"
_MOST_NAMES = 10
_PAUSE = 1.0  # seconds between two reports that are written down


@dataclass(frozen=True, slots=True)
class _Work:
    run: Run
    at: datetime
    report: Report
    is_again: bool
    """An earlier attempt at this step did not end."""

    @property
    def arguments(self) -> Mapping[str, Any]:
        arguments: Mapping[str, Any] = self.run.arguments
        return arguments

    @property
    def tenant(self) -> Tenant:
        """By its id: a name may be somebody else's by now."""
        return tenants_read.get_tenant_by_id(tenant_id=UUID(self.arguments["tenant_id"]))

    @property
    def domains(self) -> tuple[str, ...]:
        return tuple(self.arguments["domains"])


def carry_out(run: Run, *, clock: Clock) -> None:
    """Do every step that is not done; the caller is the only one who does. Its failure is in the run."""
    recording.begin_run(run_id=run.id)
    who = attribution.current()
    with (
        context.operator(),
        attribution.acting(replace(who, user_id=who.user_id or run.requested_by)),
    ):
        error = ""
        for step in RunStep.objects.filter(run=run).exclude(state=StepState.DONE):
            error = _carry_out_step(run, step, clock)
            if error:
                break
        recording.close_run(run_id=run.id, at=clock(), error=error)


def _carry_out_step(run: Run, step: RunStep, clock: Clock) -> str:
    """Why it failed, or nothing."""
    recorder = Recorder(run_id=run.id, slug=step.slug, clock=clock)
    if step.attempt >= _MOST_ATTEMPTS:
        return _GIVEN_UP.format(step.attempt)
    is_again = step.state == StepState.RUNNING
    recorder.begin(Step(step.step))
    try:
        work = _Work(run, clock(), _reporting(run.id), is_again)
        _STEPS[Step(step.step)](work)
    except Exception as failure:
        logger.exception("A run failed")
        error = explain(failure)
        recorder.fail(error)
        return error
    recorder.complete()
    return ""


def _reporting(run_id: UUID) -> Report:
    told_at = 0.0

    def report(line: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _PAUSE:
            told_at = time.monotonic()
            recording.note_report(run_id=run_id, report=line)

    return report


def _export(work: _Work) -> None:
    path = archives.path_of(work.arguments["archive"])
    if work.is_again:
        archives.sweep(path)
        if path.exists() and _is_made_by(work.run, path):
            return
    export_tenant(slug=work.tenant.slug, path=path, at=work.at, report=work.report)


def _is_made_by(run: Run, path: Path) -> bool:
    manifest = verify(path)
    return (
        manifest.tenant_id == run.arguments["tenant_id"]
        and datetime.fromisoformat(manifest.exported_at) >= run.created_at
    )


def _rename(work: _Work) -> None:
    to, tenant = work.arguments["to"], work.tenant
    if tenant.slug != to:
        rename_tenant(slug=tenant.slug, to=to, domains=work.domains)


def _restore(work: _Work) -> None:
    path = archives.path_of(work.arguments["archive"])
    if work.is_again:
        slug = work.arguments["to"] or str(verify(path).declared["slug"])
        if _is_made_already(work.run, slug):
            return
    until = work.arguments.get("until")
    restore_tenant(
        path=path,
        slug=work.arguments["to"],
        domains=work.domains,
        until=until and datetime.fromisoformat(until),
        at=work.at,
        report=work.report,
    )


def _clone(work: _Work) -> None:
    to = work.arguments["to"]
    directory = archives.directory() / f".clone-{work.run.id}"
    if work.is_again:
        shutil.rmtree(directory, ignore_errors=True)
        if _is_made_already(work.run, to):
            return
    directory.mkdir(mode=0o700)
    try:
        clone_tenant(
            slug=work.tenant.slug, to=to, domains=work.domains, at=work.at, report=work.report,
            directory=directory,
        )  # fmt: skip
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _is_made_already(run: Run, slug: str) -> bool:
    """Whether an earlier attempt made the tenant; what it left half is removed."""
    try:
        tenant = tenants_read.get_tenant(slug=slug)
    except TenantNotFoundError:
        return False
    if is_half_restored(tenant):
        undo_failed(slug=slug)
        return False
    return tenant.state not in UNFINISHED and tenant.created_at >= run.created_at


def _delete(work: _Work) -> None:
    name = work.arguments["archive"]
    backup = archives.path_of(name) if name else None
    if work.is_again and backup is not None:
        archives.sweep(backup)
    schedule_deletion(
        deletion=Deletion(
            slug=work.tenant.slug,
            reason=work.arguments["reason"],
            grace=timedelta(seconds=work.arguments["grace_seconds"]),
            backup=backup,
            without_backup=backup is None,
        ),
        at=work.at,
        report=work.report,
    )


def _purge(work: _Work) -> None:
    try:
        slug = work.tenant.slug
    except TenantNotFoundError:
        if work.is_again:
            return  # the row goes last
        raise
    purge_tenant(slug=slug, at=work.at)


def _migrate(work: _Work) -> None:
    def tell(line: str) -> None:
        work.report(line)
        # In a thread of the fleet's that knows of the other login's connection only.
        connections[DEFAULT_DB_ALIAS].close()

    summary = fleet.migrate_everything(report=tell)
    if summary.state != FleetState.DONE:
        slugs = ", ".join(sorted(result.slug for result in summary.failed)[:_MOST_NAMES])
        raise FleetNotMigratedError(
            f"{len(summary.failed)} of {summary.planned} tenants failed: {slugs}. {summary.note}"
        )


_STEPS: Mapping[Step, Callable[[_Work], None]] = {
    Step.EXPORT: _export,
    Step.RENAME: _rename,
    Step.RESTORE: _restore,
    Step.CLONE: _clone,
    Step.DELETE: _delete,
    Step.PURGE: _purge,
    Step.MIGRATE: _migrate,
}
