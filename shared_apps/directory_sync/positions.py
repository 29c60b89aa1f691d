"""Up to where a directory's changes have been taken over. All in the operator's context.

A position counts once all that was found up to it is applied. What was rejected, left out or failed is
therefore found again: the next time begins where that one began.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared_apps.authn.backends.base import Configuration
from shared_apps.directory_sync.comparing import fingerprint
from shared_apps.directory_sync.models import SyncPosition, SyncPreview

# What no directory tells of, a role that was never agreed on for example, is found by then.
_LONGEST_WITHOUT_EVERYBODY = timedelta(days=7)


def scope_of(configuration: Configuration) -> str:
    """Whoever is looked for elsewhere, or given a role by another group, has not changed in the directory."""
    return fingerprint([configuration.kind, dict(configuration.options)])


def list_positions(*, preview: SyncPreview, at: datetime) -> list[str]:
    """From which the changes since are enough."""
    known = SyncPosition.objects.filter(
        tenant_id=preview.tenant_id, realm=preview.realm, scope=preview.scope,
        complete_at__gt=at - _LONGEST_WITHOUT_EVERYBODY,
    )  # fmt: skip
    return list(known.order_by("id").values_list("position", flat=True))


def keep(preview: SyncPreview) -> None:
    """Once nothing that was found up to there is left to do."""
    if not preview.position:
        return
    found: dict[str, Any] = {"position": preview.position, "scope": preview.scope}
    of_source: dict[str, Any] = {
        "tenant_id": preview.tenant_id,
        "realm": preview.realm,
        "source": preview.source,
    }
    if preview.is_complete:
        SyncPosition.objects.update_or_create(
            **of_source, defaults={**found, "complete_at": preview.requested_at}
        )
    else:
        # Gone meanwhile: something was undone, and everybody is compared the next time.
        SyncPosition.objects.filter(**of_source, scope=preview.scope).update(**found)


def forget(*, tenant_id: UUID) -> None:
    """Have everybody compared the next time."""
    SyncPosition.objects.filter(tenant_id=tenant_id).delete()
