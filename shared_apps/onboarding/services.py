"""Tenants are made, changed and stopped here, whoever asks: command line, API, demo."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction

from shared_apps.accounts.emails import validated_email
from shared_apps.core import context
from shared_apps.core.queue import enqueue
from shared_apps.core.references import Reference, Secrets
from shared_apps.onboarding import describing, planning, schemas, selectors
from shared_apps.onboarding.archive.exporting import export_tenant
from shared_apps.onboarding.archive.restoring import restore_tenant
from shared_apps.onboarding.archive.verifying import verify as verify_archive
from shared_apps.onboarding.choices import PROVISIONING, RunAction, RunState
from shared_apps.onboarding.declaration import reading
from shared_apps.onboarding.declaration.problems import DeclarationError
from shared_apps.onboarding.declaration.specs import ADMIN_PASSWORD, AuthSpec, TenantSpec
from shared_apps.onboarding.deleting import Deletion, purge_due, purge_tenant, schedule_deletion
from shared_apps.onboarding.errors import HalfRestoredError, ProvisioningError
from shared_apps.onboarding.models import Run
from shared_apps.onboarding.provisioning import engine, locks, recording
from shared_apps.onboarding.provisioning.changing import (
    archive_tenant,
    change_tenant,
    resume_tenant,
    suspend_tenant,
    take_back_tenant,
)
from shared_apps.onboarding.provisioning.recording import Clock, Recorder
from shared_apps.onboarding.provisioning.steps import Work
from shared_apps.onboarding.renaming import clone_tenant, rename_tenant
from shared_apps.onboarding.runs import carrying
from shared_apps.onboarding.runs.requesting import (
    CARRY_OUT_TASK,
    request_clone,
    request_deletion,
    request_export,
    request_migration,
    request_rename,
    request_restore,
)
from shared_apps.tenants import names, routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantExistsError
from shared_apps.tenants.models import Tenant

__all__ = [
    "CARRY_OUT_TASK",
    "Deletion",
    "archive_tenant",
    "change_tenant",
    "clone_tenant",
    "export_tenant",
    "purge_due",
    "purge_tenant",
    "rename_tenant",
    "request_clone",
    "request_deletion",
    "request_export",
    "request_migration",
    "request_rename",
    "request_restore",
    "restore_tenant",
    "resume_tenant",
    "schedule_deletion",
    "suspend_tenant",
    "take_back_tenant",
    "verify_archive",
]

PROVISION_TASK = "onboarding.provision_tenant"
PURGE_TASK = "onboarding.purge_tenants"
TAKE_UP_TASK = "onboarding.take_up_runs"

# Messages arrive within a second; a run that is older and not at work has lost its own.
_MESSAGE_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class TenantRequest:
    """What is asked for. `domains`: the first is primary. Names are validated by `create_tenant`."""

    slug: str
    name: str
    domains: tuple[str, ...]
    admin_email: str
    admin_password: str | None = None


def create_tenant(*, request: TenantRequest, at: datetime) -> Tenant:
    """Set a tenant up and make it active. One that was left unfinished under this name is completed.

    Raises:
        TenantNameError, ReservedNameError, DomainNameError, EmailError: nothing was changed.
        TenantExistsError: nothing was changed.
        ProvisioningError: a step failed; the tenant is FAILED, says why, and can be tried again.
    """
    password = Reference(env=ADMIN_PASSWORD)
    has_password = request.admin_password is not None
    spec = TenantSpec(
        slug=names.validate_slug(request.slug),
        name=request.name,
        domains=tuple(names.canonical_host(domain) for domain in request.domains),
        admins=(validated_email(request.admin_email),),
        auth=AuthSpec(secrets={ADMIN_PASSWORD: password} if has_password else {}),
    )
    given = {password: request.admin_password} if request.admin_password is not None else None
    secrets = Secrets(environment={}, directory=Path(), given=given)
    return provision_now(spec=spec, secrets=secrets, clock=lambda: at)


def provision_now(*, spec: TenantSpec, secrets: Secrets, clock: Clock) -> Tenant:
    """Make one new tenant, recorded as a run of its own.

    Raises:
        TenantExistsError: it is there and finished; nothing was changed.
        ProvisioningError: a step failed; the tenant is FAILED, says why, and can be tried again.
    """
    if is_taken(slug=spec.slug):
        raise TenantExistsError(slug=spec.slug)
    run = recording.open_run(steps=[(spec.slug, PROVISIONING)], at=clock())
    work = Work(spec, secrets, clock())
    recorder = Recorder(run_id=run.id, slug=spec.slug, clock=clock)
    return _provision(run, work, recorder, is_new=True)


def is_taken(*, slug: str) -> bool:
    """Whether a tenant that is set up has this slug."""
    return engine.find_finished(slug) is not None


def request_tenant(*, declared: Mapping[str, Any], at: datetime) -> Run:
    """Reserve a new tenant's names, and have it made in the background.

    Raises:
        DeclarationError: it is not valid; nothing was changed.
        DeclarationConflictError, DomainTakenError: a name belongs to another one.
        TenantExistsError: there is one already, finished or not.
    """
    spec = _new_spec(declared)
    with context.operator(), transaction.atomic():
        tenant = tenants.register_tenant(slug=spec.slug, name=spec.name)
        tenants.set_domains(tenant_id=tenant.id, domains=spec.domains)
        return _enqueue(declared, spec.slug, at)


def retry_tenant(*, slug: str, at: datetime) -> Run:
    """Have a tenant completed in the background, as it was last asked for over the API.

    Raises:
        TenantNotFoundError: no such tenant.
        RunNotFoundError: it was declared in a file: `tenant apply` completes it.
        TenantExistsError: it is finished.
        HalfRestoredError: a restore left it half; it is to be removed.
    """
    if engine.is_half_restored(tenants_read.get_tenant(slug=slug)):
        raise HalfRestoredError(slug=slug)
    if is_taken(slug=slug):
        raise TenantExistsError(slug=slug)
    earlier = selectors.get_latest_request(slug=slug)
    with context.operator(), transaction.atomic():
        return _enqueue(earlier.declared or {}, slug, at)


def carry_out_run(*, run_id: UUID, secrets: Secrets, clock: Clock) -> None:
    """Do what an operator asked for; taken up again when it was begun and did not end.

    Raises:
        RunNotFoundError: no such run.
    """
    with locks.only_carrier(run_id) as is_only:
        # Asked behind the lock: whoever had it may have ended the run.
        run = selectors.get_run(run_id=run_id)
        if not is_only or run.state in (RunState.SUCCEEDED, RunState.FAILED):
            return
        if run.action != RunAction.PROVISION:
            carrying.carry_out(run, clock=clock)
        else:
            _carry_out_provisioning(run, secrets, clock)


def take_up_runs(*, secrets: Secrets, clock: Clock) -> int:
    """Carry out the runs whose process died or whose message was lost; how many there were."""
    with context.operator():
        waiting = selectors.list_open_requests().filter(created_at__lt=clock() - _MESSAGE_PATIENCE)
        ids = list(waiting.order_by("created_at").values_list("id", flat=True))
    for run_id in ids:
        carry_out_run(run_id=run_id, secrets=secrets, clock=clock)
    return len(ids)


def _carry_out_provisioning(run: Run, secrets: Secrets, clock: Clock) -> None:
    recording.begin_run(run_id=run.id)
    try:
        spec = reading.read_tenant(run.declared).tenants[0]
    except DeclarationError as error:
        recording.close_run(run_id=run.id, at=clock(), error=str(error))
        return
    recorder = Recorder(run_id=run.id, slug=spec.slug, clock=clock)
    try:
        _provision(run, Work(spec, secrets, clock()), recorder)
    except (ProvisioningError, HalfRestoredError):
        # It is in the run and in the tenant's row, for whoever asked.
        return


def revise_tenant(
    *, slug: str, changes: Mapping[str, Any], secrets: Secrets, at: datetime
) -> Tenant:
    """Change what is named and leave the rest.

    Raises:
        TenantNotFoundError: no such tenant.
        DeclarationError, DeclarationConflictError: what it would become is not valid.
    """
    with context.operator(), transaction.atomic():
        # What is not named is written back as it was read, so nobody may change it in between.
        Tenant.objects.select_for_update().filter(slug=slug).first()
        present = describing.describe(tenants_read.get_tenant(slug=slug))
        # Administrators are added and never taken away, so one stands for all that there are.
        present["admins"] = present["admins"][:1]
        for name in reading.WITH_SECRETS:
            present.pop(name, None)
        declaration = reading.read_tenant({**present, **changes}, keeps=reading.WITH_SECRETS)
        plan = planning.make_plan(declaration, is_whole=False)
        for change in plan.changes:
            if change.action in planning.PROVISIONED:
                raise ProvisioningError("The tenant is not set up yet.")
            change_tenant(work=Work(plan.spec_of(change), secrets, at))
    return tenants_read.get_tenant(slug=slug)


def discard_tenant(*, tenant_id: UUID) -> None:
    """Remove a scratch tenant at once, without grace or backup: row, domains, roles, schema.

    Its entries in the audit database stay, as everybody's do.

    Raises:
        TenantNotFoundError: no such tenant.
    """
    identity = tenants_read.get_tenant_by_id(tenant_id=tenant_id).identity
    with context.operator():
        # The row first: from then on no request, task or relay looks for the schema.
        Tenant.objects.filter(id=tenant_id).delete()
    routing.announce_change()
    schemas.drop_schema(identity)


def repair_tenant(*, slug: str) -> Tenant:
    """Make the role of a tenant if it is gone, and give it back its rights; its rows stay as they are.

    Raises:
        TenantNotFoundError: no such tenant.
        StateTransitionError: it is being made, or being deleted; nothing was changed.
    """
    with locks.only_worker(slug):
        tenant = tenants_read.get_tenant(slug=slug)
        if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
            raise StateTransitionError(
                f"A tenant that is {tenant.state} cannot be repaired.", state=tenant.state
            )
        schemas.make_ready(tenant.identity)
    return tenant


def _new_spec(declared: Mapping[str, Any]) -> TenantSpec:
    declaration = reading.read_tenant(declared)
    spec = declaration.tenants[0]
    if tenants_read.is_registered(slug=spec.slug):
        raise TenantExistsError(slug=spec.slug)
    planning.make_plan(declaration, is_whole=False)
    return spec


def _enqueue(declared: Mapping[str, Any], slug: str, at: datetime) -> Run:
    run = recording.open_run(
        steps=[(slug, PROVISIONING)], at=at, state=RunState.PENDING, declared=declared
    )
    enqueue(PROVISION_TASK, run_id=str(run.id))
    return run


def _provision(run: Run, work: Work, recorder: Recorder, *, is_new: bool = False) -> Tenant:
    try:
        tenant = engine.provision(work=work, recorder=recorder, is_new=is_new)
    except (ProvisioningError, HalfRestoredError, TenantExistsError) as error:
        recording.close_run(run_id=run.id, at=recorder.clock(), error=error.text)
        raise
    recording.close_run(run_id=run.id, at=recorder.clock())
    return tenant
