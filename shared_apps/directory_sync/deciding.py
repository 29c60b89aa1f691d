"""What every decision about a preview asks first. In the operator's context."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from django.db import transaction

from shared_apps.core import context
from shared_apps.directory_sync import plans, selectors
from shared_apps.directory_sync.choices import State
from shared_apps.directory_sync.errors import OtherPlanError, PreviewExpiredError, StateError
from shared_apps.directory_sync.models import SyncPreview


@contextmanager
def deciding(
    tenant_id: UUID, preview_id: UUID, at: datetime, state: State
) -> Iterator[SyncPreview]:
    """The preview, locked, in a transaction that ends with the block.

    Raises:
        PreviewNotFoundError, StateError, PreviewExpiredError
    """
    require_in_time(tenant_id, preview_id, at, state)
    with context.operator(), transaction.atomic():
        preview = selectors.get_preview(tenant_id=tenant_id, preview_id=preview_id, for_update=True)
        _require_state(preview, state)
        yield preview


def require_in_time(tenant_id: UUID, preview_id: UUID, at: datetime, state: State) -> SyncPreview:
    """What is too old is so from now on, whatever becomes of the caller's transaction."""
    with context.operator(), transaction.atomic():
        preview = selectors.get_preview(tenant_id=tenant_id, preview_id=preview_id, for_update=True)
        is_over = (
            preview.state in (State.PENDING, State.APPROVED)
            and preview.expires_at is not None
            and at >= preview.expires_at
        )
        if is_over:
            preview.state = State.EXPIRED
            preview.save(update_fields=["state"])
    if preview.state == State.EXPIRED:
        raise PreviewExpiredError
    _require_state(preview, state)
    return preview


def _require_state(preview: SyncPreview, state: State) -> None:
    if preview.state != state or preview.undone_at is not None:
        raise StateError(state="UNDONE" if preview.undone_at else preview.state)


def require_plan(preview: SyncPreview, fingerprint: str) -> None:
    """Raises OtherPlanError: the items are not those that `fingerprint` was told of."""
    if fingerprint != preview.fingerprint or plans.fingerprint_of(preview) != fingerprint:
        raise OtherPlanError
