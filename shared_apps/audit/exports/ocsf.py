"""Entries as events of the Open Cybersecurity Schema Framework, version 1.6.0 (schema.ocsf.io).

A change is an event of the class Entity Management (3004).
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared_apps.audit.exports.entries import StoredEntry
from shared_apps.audit.images import readable_values

VERSION = "1.6.0"
_CATEGORY, _CLASS = 3, 3004  # Identity & Access Management, Entity Management
_ACTIVITIES = {
    "CREATE": (1, "Create"),
    "READ": (2, "Read"),
    "UPDATE": (3, "Update"),
    "DELETE": (4, "Delete"),
}
_OTHER = 99
_INFORMATIONAL = 1
_PRODUCT = {"name": "Freehold", "vendor_name": "Freehold"}


def event(entry: StoredEntry, *, raw: str) -> dict[str, Any]:
    """`raw` is the entry whole, as it can be proven."""
    activity, caption = _ACTIVITIES.get(entry.operation, (_OTHER, entry.operation))
    before, after = readable_values(entry.old_values), readable_values(entry.new_values)
    return {
        "activity_id": activity,
        "activity_name": caption,
        "category_uid": _CATEGORY,
        "category_name": "Identity & Access Management",
        "class_uid": _CLASS,
        "class_name": "Entity Management",
        "type_uid": _CLASS * 100 + activity,
        "severity_id": _INFORMATIONAL,
        "time": _milliseconds(entry.created_at),
        "metadata": _without_none(
            {
                "version": VERSION,
                "product": _PRODUCT,
                "log_name": "audit",
                "uid": str(entry.uid),
                "sequence": entry.sequence,
                "tenant_uid": str(entry.tenant_id),
                "correlation_uid": entry.request_id,
                "logged_time": _milliseconds(entry.completed_at),
            }
        ),
        "actor": _actor(entry),
        "entity": _entity(entry, before if before is not None else after),
        **({"entity_result": _entity(entry, after)} if after is not None else {}),
        "raw_data": raw,
    }


def closing_event(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The last line of a file: a Base Event that holds the manifest."""
    exported_at = datetime.fromisoformat(str(manifest["exported_at"]))
    return {
        "activity_id": _OTHER,
        "activity_name": "End of export",
        "category_uid": 0,
        "class_uid": 0,
        "type_uid": _OTHER,
        "severity_id": _INFORMATIONAL,
        "time": _milliseconds(exported_at),
        "metadata": {"version": VERSION, "product": _PRODUCT, "log_name": "audit"},
        "unmapped": {"manifest": json.dumps(manifest)},
    }


def _actor(entry: StoredEntry) -> dict[str, Any]:
    author = entry.modified_by
    if author is None:
        return {"app_name": "unknown"}
    if author.startswith("system:"):
        return {"app_name": author.removeprefix("system:")}
    return {"user": {"uid": author}}


def _entity(entry: StoredEntry, values: dict[str, Any] | None) -> dict[str, Any]:
    return _without_none(
        {
            "type_id": _OTHER,
            "type": entry.entity_type,
            "name": entry.entity_type,
            "uid": entry.record_id,
            "data": values,
        }
    )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
