"""Reads of previews. All in the operator's context, of the tenant that is named."""

from uuid import UUID

from django.db.models import QuerySet

from shared_apps.core import context
from shared_apps.directory_sync.errors import PreviewNotFoundError
from shared_apps.directory_sync.models import SyncItem, SyncPreview


def list_previews(*, tenant_id: UUID) -> QuerySet[SyncPreview]:
    """The latest first. Lazy: evaluate it in the operator's context."""
    return SyncPreview.objects.filter(tenant_id=tenant_id).order_by("-requested_at", "id")


def get_preview(*, tenant_id: UUID, preview_id: UUID, for_update: bool = False) -> SyncPreview:
    """Raises PreviewNotFoundError: none of this tenant's, whoever else's it may be."""
    previews = SyncPreview.objects.filter(tenant_id=tenant_id, id=preview_id)
    if for_update:
        previews = previews.select_for_update()
    with context.operator():
        preview = previews.first()
    if preview is None:
        raise PreviewNotFoundError
    return preview


def list_items(*, preview: SyncPreview, kind: str = "") -> QuerySet[SyncItem]:
    """Lazy: evaluate it in the operator's context."""
    items = preview.items.order_by("external_id")
    return items.filter(kind=kind) if kind else items
