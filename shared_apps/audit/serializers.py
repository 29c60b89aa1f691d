"""The shape of audit entries and of the questions about them."""

import json
from typing import Any

from rest_framework import serializers

from shared_apps.audit.selectors import Entry, EntryFilter
from shared_apps.audit.transfer import load_values

OPERATIONS = ("CREATE", "UPDATE", "DELETE")


class EntryQuery(serializers.Serializer[EntryFilter]):
    """The query string of a list of entries."""

    entity_type = serializers.CharField(required=False, max_length=200)
    record_id = serializers.CharField(required=False, max_length=200)
    operation = serializers.ChoiceField(required=False, choices=OPERATIONS)
    modified_by = serializers.CharField(required=False, max_length=254)
    request_id = serializers.CharField(required=False, max_length=128)
    before = serializers.IntegerField(required=False, min_value=1)
    after = serializers.IntegerField(required=False, min_value=0)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=500, default=50)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword of Python, so it cannot be a class attribute.
        moments = {
            "from": serializers.DateTimeField(required=False, source="since"),
            "to": serializers.DateTimeField(required=False, source="until"),
        }
        return {**super().get_fields(), **moments}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = set(self.initial_data) - set(self.fields)
        if unknown:
            raise serializers.ValidationError(
                {name: ["Unknown filter."] for name in sorted(unknown)}
            )
        return attrs


def as_json(entry: Entry, *, tenant: str, emails: dict[str, str]) -> dict[str, Any]:
    """An entry as the API gives it. `emails`: person's id → address now, for reading."""
    return {
        "id": str(entry.uid),
        "tenant": tenant,
        "sequence": entry.sequence,
        "created_at": entry.created_at.isoformat(),
        "completed_at": entry.completed_at.isoformat(),
        "entity_type": entry.entity_type,
        "operation": entry.operation,
        "record_id": entry.record_id,
        "modified_by": entry.modified_by,
        "modified_by_email": emails.get(entry.modified_by or ""),
        "old_values": load_values(entry.old_values),
        "new_values": load_values(entry.new_values),
        "diff": load_values(entry.diff),
        "attribution": json.loads(entry.attribution),
        "request_id": entry.request_id,
        "hash": entry.hash.hex(),
    }
