"""Previews of more people than a request has time for are applied by the worker. In the operator's context."""

from datetime import datetime
from typing import Final
from uuid import UUID

from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.core.queue import enqueue
from shared_apps.directory_sync import applying, listing
from shared_apps.directory_sync.choices import State
from shared_apps.directory_sync.deciding import deciding, require_plan
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.directory_sync.rules import Rules

APPLY_TASK: Final = "directory_sync.apply"
AT_ONCE: Final = 500


def apply_or_enqueue(
    *, tenant_id: UUID, preview_id: UUID, fingerprint: str, by: UUID | None, override_reason: str,
    at: datetime,
) -> SyncPreview:  # fmt: skip
    """Apply now, or have it done: the state is APPROVED meanwhile, and `failure` says what went wrong.

    Raises: as `applying.apply`; of what is enqueued only what can be told without the directory.
    """
    with deciding(tenant_id, preview_id, at, State.APPROVED) as preview:
        if preview.items.filter(is_selected=True).count() > AT_ONCE:
            require_plan(preview, fingerprint)
            rules = Rules.of(listing.directory_of(tenant_id).configuration)
            applying.require_safe(preview, rules, override_reason)
            preview.failure = ""
            preview.save(update_fields=["failure"])
            enqueue(
                APPLY_TASK, tenant_id=str(tenant_id), preview_id=str(preview_id),
                fingerprint=fingerprint, by=str(by) if by else None, override_reason=override_reason,
            )  # fmt: skip
            return preview
    return applying.apply(
        tenant_id=tenant_id, preview_id=preview_id, fingerprint=fingerprint, by=by,
        override_reason=override_reason, at=at,
    )  # fmt: skip


def carry_out(
    *, tenant_id: UUID, preview_id: UUID, fingerprint: str, by: UUID | None, override_reason: str,
    at: datetime,
) -> None:  # fmt: skip
    """Safe to be done twice: what is applied is not applied again."""
    try:
        applying.apply(
            tenant_id=tenant_id, preview_id=preview_id, fingerprint=fingerprint, by=by,
            override_reason=override_reason, at=at,
        )  # fmt: skip
    except AppError as error:
        record = str(error.details.get("record", ""))
        why = f"{explain(error)} ({record})" if record else explain(error)
        with context.operator():
            waiting = SyncPreview.objects.filter(id=preview_id, state=State.APPROVED)
            waiting.update(failure=why[:500])
