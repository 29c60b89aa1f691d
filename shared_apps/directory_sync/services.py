"""Ask for a preview, choose from it, and decide on it. All in the operator's context."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import IntegrityError, transaction

from shared_apps.core import context
from shared_apps.core.queue import enqueue
from shared_apps.directory_sync import listing, plans, selectors
from shared_apps.directory_sync.choices import Kind, State
from shared_apps.directory_sync.deciding import deciding, require_in_time, require_plan
from shared_apps.directory_sync.errors import (
    FieldUnknownError,
    FourEyesError,
    ItemNotFoundError,
    ListingRunningError,
)
from shared_apps.directory_sync.models import SyncItem, SyncPreview
from shared_apps.directory_sync.rules import Rules

LIST_TASK: Final = "directory_sync.list"
# Longer than any task may take: whoever had begun it is not at work any more.
_ABANDONED = timedelta(hours=2)


def request_preview(
    *, tenant_id: UUID, by: UUID | None, at: datetime, in_background: bool = True,
    is_full: bool = False, is_scheduled: bool = False,
) -> SyncPreview:  # fmt: skip
    """Begin to compare the tenant's people with its directory, or do it at once.

    With `is_full` everybody; else, of a directory that tells, whoever has changed in it.

    Raises:
        NoDirectoryError: they are in none.
        ListingRunningError: it is being done; its id in the details.
        BackendUnavailableError: the directory's secrets cannot be opened.
    """
    directory = listing.directory_of(tenant_id)
    with context.operator():
        running = SyncPreview.objects.filter(tenant_id=tenant_id, state=State.LISTING)
        running.filter(requested_at__lt=at - _ABANDONED).update(
            state=State.FAILED, failure="It was not finished."
        )
        try:
            with transaction.atomic():
                preview = SyncPreview.objects.create(
                    tenant_id=tenant_id, realm=directory.configuration.realm, requested_by=by,
                    requested_at=at, is_scheduled=is_scheduled,
                )  # fmt: skip
                if in_background:
                    enqueue(LIST_TASK, preview_id=str(preview.id), is_full=is_full)
        except IntegrityError:
            other = running.first()
            raise ListingRunningError(**({"id": str(other.id)} if other else {})) from None
    if not in_background:
        listing.carry_out(preview_id=preview.id, at=at, is_full=is_full)
    return selectors.get_preview(tenant_id=tenant_id, preview_id=preview.id)


def choose(
    *, tenant_id: UUID, preview_id: UUID, item_id: UUID, is_selected: bool | None,
    fields: Mapping[str, bool], at: datetime,
) -> SyncItem:  # fmt: skip
    """Take a record or some of its fields out of a preview, or into it again.

    Raises:
        PreviewNotFoundError, ItemNotFoundError, FieldUnknownError
        StateError: it is decided on.
        PreviewExpiredError
    """
    with deciding(tenant_id, preview_id, at, State.PENDING) as preview:
        item = preview.items.select_for_update().filter(id=item_id).first()
        if item is None:
            raise ItemNotFoundError
        for name, selected in fields.items():
            # Whoever is new or gone is taken whole.
            if item.kind != Kind.MODIFIED or name not in item.fields:
                raise FieldUnknownError(field=name)
            item.fields[name]["selected"] = selected
        if is_selected is not None:
            item.is_selected = is_selected
        item.save(update_fields=["is_selected", "fields"])
        preview.fingerprint = plans.fingerprint_of(preview)
        preview.save(update_fields=["fingerprint"])
    return item


def approve(
    *, tenant_id: UUID, preview_id: UUID, fingerprint: str, by: UUID | None, at: datetime
) -> SyncPreview:
    """Agree to what is selected; of two who decide at once one does.

    Raises:
        PreviewNotFoundError, StateError, PreviewExpiredError
        OtherPlanError: something else is selected than whoever approves has seen.
        FourEyesError: they asked for it themselves, where that is not allowed.
    """
    require_in_time(tenant_id, preview_id, at, State.PENDING)
    rules = Rules.of(listing.directory_of(tenant_id).configuration)
    with deciding(tenant_id, preview_id, at, State.PENDING) as preview:
        require_plan(preview, fingerprint)
        if rules.needs_four_eyes and preview.requested_by == by:
            raise FourEyesError
        preview.state, preview.reviewed_by, preview.reviewed_at = State.APPROVED, by, at
        preview.save(update_fields=["state", "reviewed_by", "reviewed_at"])
    return preview


def reject(*, tenant_id: UUID, preview_id: UUID, by: UUID | None, at: datetime) -> SyncPreview:
    """Raises PreviewNotFoundError, StateError, PreviewExpiredError."""
    with deciding(tenant_id, preview_id, at, State.PENDING) as preview:
        preview.state, preview.reviewed_by, preview.reviewed_at = State.REJECTED, by, at
        preview.save(update_fields=["state", "reviewed_by", "reviewed_at"])
    return preview
