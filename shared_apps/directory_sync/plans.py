"""What a preview would do, as one value to agree on, and its counts. In the operator's context."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection

from shared_apps.directory_sync.choices import Kind
from shared_apps.directory_sync.comparing import fingerprint
from shared_apps.directory_sync.models import SyncItem, SyncPreview

_COLUMNS = (
    "id", "kind", "external_id", "is_selected", "fields", "local_fingerprint",
    "directory_fingerprint",
)  # fmt: skip


def fingerprint_of(preview: SyncPreview) -> str:
    """Of every item with what is selected of it, and of what both sides were like."""
    items = preview.items.order_by("external_id").values_list(*_COLUMNS)
    return fingerprint(
        [preview.id, preview.tenant_id, preview.realm, preview.source_count]
        + [fingerprint(item) for item in items.iterator(chunk_size=500)]
    )


def is_deactivation(item: SyncItem) -> bool:
    """Whether it would shut somebody out, as it is selected now."""
    change = item.fields.get("is_active", {})
    return bool(item.is_selected and change.get("selected") and change["old"] and not change["new"])


def count_changes(preview: SyncPreview) -> int:
    """Of how many people something would be changed, as it is selected now."""
    items = preview.items.filter(is_selected=True).values_list("fields", flat=True)
    return sum(
        any(change["selected"] for change in changes.values())
        for changes in items.iterator(chunk_size=500)
    )


def leaves_nothing(preview: SyncPreview) -> bool:
    """Whether all that was found is selected."""
    items = preview.items.values_list("is_selected", "fields")
    return all(
        is_selected and all(change["selected"] for change in changes.values())
        for is_selected, changes in items.iterator(chunk_size=500)
    )


def count_deactivations(preview: SyncPreview) -> int:
    items = preview.items.filter(is_selected=True, fields__has_key="is_active")
    return sum(map(is_deactivation, items.iterator(chunk_size=500)))


def summary(preview: SyncPreview) -> dict[str, Any]:
    kinds: Counter[str] = Counter()
    fields: Counter[str] = Counter()
    conflicts = 0
    for kind, changes in preview.items.values_list("kind", "fields").iterator(chunk_size=500):
        kinds[kind] += 1
        if kind == Kind.MODIFIED:
            fields.update(changes.keys())
            conflicts += any(change["conflict"] for change in changes.values())
    return {
        "new": kinds[Kind.NEW],
        "modified": kinds[Kind.MODIFIED],
        "deleted": kinds[Kind.DELETED],
        "fields": dict(sorted(fields.items())),
        "conflicts": conflicts,
    }


def keep_results(items: Sequence[SyncItem]) -> None:
    """Who they are and how they stood before and after. One statement: `bulk_update` has a case for each value."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE directory_sync_syncitem item SET user_id = v.user_id, before = v.before::jsonb,"
            " applied_fingerprint = v.applied"
            " FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[])"
            " AS v(id, user_id, before, applied) WHERE item.id = v.id",
            [
                [item.id for item in items],
                [item.user_id for item in items],
                [json.dumps(item.before) for item in items],
                [item.applied_fingerprint for item in items],
            ],
        )
