"""The questions about an export."""

from typing import Any

from rest_framework import serializers

from shared_apps.audit.exports.rendering import FORMATS
from shared_apps.audit.serializers import EntryQuery


class ExportQuery(EntryQuery):
    """The filters of the list of entries; `after` goes on where an export ended."""

    after = serializers.IntegerField(required=False, min_value=0)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        kept = {
            name: field
            for name, field in super().get_fields().items()
            if name not in ("cursor", "page_size")
        }
        return {**kept, "format": serializers.ChoiceField(choices=sorted(FORMATS), default="jsonl")}
