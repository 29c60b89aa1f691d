"""Requests of operators: looked at here, carried out by the provisioner, which has the migration login."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Q

from shared_apps.core import context
from shared_apps.core.queue import enqueue
from shared_apps.onboarding import selectors
from shared_apps.onboarding.choices import RunAction, RunState, Step
from shared_apps.onboarding.errors import DeletionScheduledError, RunOpenError
from shared_apps.onboarding.models import Run
from shared_apps.onboarding.provisioning import recording
from shared_apps.onboarding.renaming import require_renamable
from shared_apps.onboarding.runs import archives
from shared_apps.tenants import names
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError, TenantExistsError
from shared_apps.tenants.models import Tenant

CARRY_OUT_TASK = "onboarding.carry_out_run"


def request_export(*, slug: str, archive: str | None, at: datetime) -> Run:
    """Have a tenant written into a new archive of the provisioner's directory.

    Raises:
        TenantNotFoundError, ArchiveNameError: nothing was changed.
        StateTransitionError: there is nothing to export.
        RunOpenError: something is under way with the tenant.
    """
    with context.operator(), transaction.atomic():
        tenant = _reserve(slug)
        _require_finished(tenant, "exported")
        name = _archive_name(tenant, archive, at)
        arguments = {"tenant_id": str(tenant.id), "archive": name}
        return _enqueue(RunAction.EXPORT, slug, [Step.EXPORT], arguments, at)


def request_rename(*, slug: str, to: str, domains: Sequence[str], at: datetime) -> Run:
    """Have a tenant given another slug and other hosts.

    Raises:
        TenantNotFoundError, TenantNameError, ReservedNameError: nothing was changed.
        StateTransitionError, TenantExistsError, RunOpenError: the tenant, or the name, is not free for it.
    """
    with context.operator(), transaction.atomic():
        tenant = _reserve(slug, to)
        require_renamable(tenant)
        _require_free(to)
        arguments = {"tenant_id": str(tenant.id), "to": to, "domains": list(domains)}
        return _enqueue(RunAction.RENAME, slug, [Step.RENAME], arguments, at)


def request_clone(*, slug: str, to: str, domains: Sequence[str], at: datetime) -> Run:
    """Have a second tenant made with the data of one.

    Raises:
        TenantNotFoundError, TenantNameError, ReservedNameError: nothing was changed.
        StateTransitionError, TenantExistsError, RunOpenError: the tenant, or the name, is not free for it.
    """
    with context.operator(), transaction.atomic():
        tenant = _reserve(slug, to)
        _require_finished(tenant, "cloned")
        _require_free(to)
        arguments = {"tenant_id": str(tenant.id), "to": to, "domains": list(domains)}
        return _enqueue(RunAction.CLONE, slug, [Step.CLONE], arguments, at)


def request_restore(
    *, archive: str, slug: str | None, domains: Sequence[str], until: datetime | None, at: datetime
) -> Run:
    """Have the tenant of an archive made, under another name if `slug` is given, as of a later moment
    if `until` is.

    Raises:
        ArchiveNameError, TenantNameError, ReservedNameError: nothing was changed.
        TenantExistsError, RunOpenError: the name is not free.
    """
    archives.require_name(archive)
    with context.operator(), transaction.atomic():
        if slug is not None:
            names.validate_slug(slug)
            _refuse_open(slug)
            _require_free(slug)
        arguments = {
            "archive": archive,
            "to": slug,
            "domains": list(domains),
            "until": until and until.isoformat(),
        }
        return _enqueue(RunAction.RESTORE, slug or "", [Step.RESTORE], arguments, at)


def request_deletion(
    *,
    slug: str,
    reason: str,
    grace: timedelta,
    archive: str | None,
    without_backup: bool,
    is_immediate: bool,
    at: datetime,
) -> Run:
    """Have a tenant archived, backed up, and given the date of its end, or deleted at once.

    Raises:
        TenantNotFoundError, ArchiveNameError: nothing was changed.
        StateTransitionError: it was never served, or its deletion has begun.
        DeletionScheduledError: it has a date already.
        RunOpenError: something is under way with the tenant.
    """
    with context.operator(), transaction.atomic():
        tenant = _reserve(slug)
        _require_finished(tenant, "deleted")
        if tenant.delete_after is not None and not is_immediate:
            raise DeletionScheduledError(
                state=tenant.state.lower(), delete_after=tenant.delete_after.isoformat()
            )
        arguments = {
            "tenant_id": str(tenant.id),
            "reason": reason,
            "grace_seconds": 0 if is_immediate else int(grace.total_seconds()),
            "archive": None if without_backup else _archive_name(tenant, archive, at),
        }
        steps = [Step.DELETE, Step.PURGE] if is_immediate else [Step.DELETE]
        return _enqueue(RunAction.DELETE, slug, steps, arguments, at)


def request_migration(*, at: datetime) -> Run:
    """Have the shared schema and every tenant's brought to the version of the provisioner's code.

    Raises:
        RunOpenError: that is under way.
    """
    with context.operator(), transaction.atomic():
        # No tenant has this name.
        _refuse_open(selectors.WHOLE_FLEET)
        return _enqueue(RunAction.MIGRATE, selectors.WHOLE_FLEET, [Step.MIGRATE], {}, at)


def _reserve(slug: str, *others: str) -> Tenant:
    """The tenant, with nothing else under way under any of these names until the transaction ends."""
    for other in others:
        names.validate_slug(other)
    tenant = tenants_read.get_tenant(slug=slug)
    _refuse_open(slug, *others)
    return tenant


def _refuse_open(*slugs: str) -> None:
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        for slug in sorted(slugs):
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext('freehold.request'), hashtext(%s))", [slug]
            )
    under_way = (
        selectors.list_open_requests()
        .filter(Q(steps__slug__in=slugs) | Q(arguments__to__in=slugs))
        .first()
    )
    if under_way is not None:
        raise RunOpenError(
            run_id=str(under_way.id), action=under_way.action.lower(), state=under_way.state.lower()
        )


def _require_finished(tenant: Tenant, verb: str) -> None:
    if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
        raise StateTransitionError(
            f"A tenant that is {tenant.state} cannot be {verb}.", state=tenant.state
        )


def _require_free(slug: str) -> None:
    if tenants_read.is_registered(slug=slug):
        raise TenantExistsError(slug=slug)


def _archive_name(tenant: Tenant, given: str | None, at: datetime) -> str:
    return archives.require_name(given) if given else archives.new_name(slug=tenant.slug, at=at)


def _enqueue(
    action: RunAction, slug: str, steps: list[Step], arguments: Mapping[str, Any], at: datetime
) -> Run:
    run = recording.open_run(
        steps=[(slug, steps)], at=at, state=RunState.PENDING, action=action, arguments=arguments
    )
    enqueue(CARRY_OUT_TASK, run_id=str(run.id))
    return run
