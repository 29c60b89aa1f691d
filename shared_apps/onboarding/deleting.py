"""The end of a tenant: announced with a date and a backup, carried out when the date has come."""

import logging
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import Error

from shared_apps.accounts import cross_tenant_roles
from shared_apps.authn.services import ending
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.onboarding import schemas
from shared_apps.onboarding.archive.exporting import Report, export_tenant
from shared_apps.onboarding.archive.verifying import verify
from shared_apps.onboarding.errors import (
    BackupMissingError,
    BackupUnsuitableError,
    NotDueError,
    TrailPendingError,
)
from shared_apps.onboarding.provisioning import changing, locks
from shared_apps.tenants import cache, files, routing
from shared_apps.tenants import selectors as tenants_read
from shared_apps.tenants import services as tenants
from shared_apps.tenants.choices import UNFINISHED, TenantState
from shared_apps.tenants.errors import StateTransitionError
from shared_apps.tenants.models import Tenant

logger = logging.getLogger(__name__)

DEFAULT_GRACE = timedelta(days=30)
_GRACE = re.compile(r"(\d{1,4})([dh])", re.ASCII)

_PAUSE = 0.2  # seconds


def parse_grace(text: str) -> timedelta | None:
    """Of `30d` or `12h`; None for anything else."""
    found = _GRACE.fullmatch(text)
    if found is None:
        return None
    number = int(found[1])
    return timedelta(days=number) if found[2] == "d" else timedelta(hours=number)


@dataclass(frozen=True, slots=True)
class Deletion:
    """`backup`: a new file, or an archive that was made since the tenant was archived."""

    slug: str
    reason: str
    grace: timedelta
    backup: Path | None = None
    without_backup: bool = False


def schedule_deletion(
    *, deletion: Deletion, at: datetime, report: Report = lambda line: None
) -> Tenant:
    """Stop serving a tenant, back it up, and set the date from which on it is deleted.

    Until then `suspend_tenant` takes it back; people sign in anew. Safe to repeat.

    Raises:
        TenantNotFoundError, ReasonMissingError, BackupMissingError, FilesPlaceMissingError: nothing was
            changed.
        StateTransitionError: it was never served (`tenant undo-failed`), or its deletion has begun.
        ArchiveInvalidError, BackupUnsuitableError, ArchiveWriteError: it is archived, and no date is set.
    """
    if deletion.backup is None and not deletion.without_backup:
        raise BackupMissingError
    files.require_place()
    tenant = tenants_read.get_tenant(slug=deletion.slug)
    if tenant.state in UNFINISHED or tenant.state == TenantState.DELETED:
        raise StateTransitionError(
            f"A tenant that is {tenant.state} cannot be deleted.", state=tenant.state
        )
    if tenant.state != TenantState.ARCHIVED:
        tenant = changing.archive_tenant(slug=deletion.slug, reason=deletion.reason, at=at)
    ending.forget_sessions(tenant_id=tenant.id)
    if deletion.backup is not None:
        _back_up(tenant, deletion.backup, at, report)
    tenants.schedule_deletion(tenant_id=tenant.id, after=at + deletion.grace)
    return tenants_read.get_tenant(slug=deletion.slug)


def _back_up(tenant: Tenant, path: Path, at: datetime, report: Report) -> None:
    if not path.exists():
        export_tenant(slug=tenant.slug, path=path, at=at, report=report)
        return
    manifest = verify(path)
    if (
        manifest.tenant_id != str(tenant.id)
        or manifest.state != TenantState.ARCHIVED.lower()
        or datetime.fromisoformat(manifest.exported_at) < tenant.state_changed_at
    ):
        raise BackupUnsuitableError(path=str(path))


def purge_tenant(*, slug: str, at: datetime) -> None:
    """Delete a tenant whose time has come: rows, schema, role, files, cache, domains, roles of people.

    Its entries in the audit database and people's accounts stay. Stopped half-way, it is called again.

    Raises:
        TenantNotFoundError: no such tenant; perhaps it is deleted already.
        NotDueError: it is not to be deleted, or not yet.
        FilesPlaceMissingError: the process does not know where files are; nothing was changed.
        TrailPendingError: the relay does not run; nothing is lost, try again.
    """
    files.require_place()
    with locks.only_worker(slug):
        tenant = tenants_read.get_tenant(slug=slug)
        is_due = tenant.delete_after is not None and tenant.delete_after <= at
        if tenant.state == TenantState.ARCHIVED and is_due:
            tenants.change_state(
                tenant_id=tenant.id, to=TenantState.DELETED, at=at, reason=tenant.state_reason
            )
        elif tenant.state != TenantState.DELETED:
            raise NotDueError(state=tenant.state.lower())
        _purge(tenant)
        routing.announce_change()


def _purge(tenant: Tenant) -> None:
    identity = tenant.identity
    _wait_for_the_trail(tenant)
    with context.operator():
        schemas.drop_schema(identity)
    with context.tenant(identity):
        files.remove_all()
        cache.forget_everything()
    cross_tenant_roles.end_roles(tenant_id=tenant.id)
    with context.operator():
        # The row last: while it is there, something may be left, and the name is not free.
        Tenant.objects.filter(id=tenant.id, state=TenantState.DELETED).delete()


def _wait_for_the_trail(tenant: Tenant) -> None:
    end = time.monotonic() + settings.DELETION_WAIT_SECONDS
    while not schemas.close_for_good(tenant.identity):
        if time.monotonic() > end:
            raise TrailPendingError(slug=tenant.slug)
        time.sleep(_PAUSE)


@dataclass(frozen=True, slots=True)
class Purged:
    slug: str
    error: str


def purge_due(*, at: datetime) -> list[Purged]:
    """Delete all tenants whose time has come; one that fails does not keep the others."""
    done = []
    for tenant in tenants_read.list_deletable(at=at):
        try:
            purge_tenant(slug=tenant.slug, at=at)
        except (AppError, Error, OSError) as error:
            logger.exception("A tenant could not be deleted")
            done.append(Purged(tenant.slug, explain(error)))
        else:
            done.append(Purged(tenant.slug, ""))
    return done
