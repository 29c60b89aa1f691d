"""The shape of audit entries and of the questions about them."""

import json
from typing import Any

from django.http import QueryDict
from rest_framework import serializers

from shared_apps.audit.images import readable_values
from shared_apps.audit.selectors import Entry

OPERATIONS = ("CREATE", "UPDATE", "DELETE")


class FilterQuery(serializers.Serializer[Any]):
    """Filters that a list has. What is misspelt, contradictory or said twice would show something else than
    was asked for, so it is an error."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `from` is a keyword of Python, so it cannot be a class attribute.
        moments = {
            "from": serializers.DateTimeField(required=False, source="since"),
            "to": serializers.DateTimeField(required=False, source="until"),
        }
        return {**super().get_fields(), **moments}

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(self.initial_data) - set(self.fields))
        if unknown:
            raise serializers.ValidationError({name: ["Unknown filter."] for name in unknown})
        since, until = attrs.get("since"), attrs.get("until")
        if since and until and since > until:
            raise serializers.ValidationError({"from": ["This is after `to`."]})
        return attrs


class EntryQuery(FilterQuery):
    """The query string of a list of entries. Names and ids are taken as they are, with their spaces."""

    entity_type = serializers.CharField(required=False, max_length=200, trim_whitespace=False)
    record_id = serializers.CharField(required=False, max_length=4000, trim_whitespace=False)
    operation = serializers.ChoiceField(required=False, choices=OPERATIONS)
    modified_by = serializers.CharField(required=False, max_length=254)
    request_id = serializers.CharField(required=False, max_length=128, trim_whitespace=False)
    cursor = serializers.CharField(required=False, max_length=300)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=500, default=50)


class RecordQuery(FilterQuery):
    """The query string of one record's history."""

    at = serializers.DateTimeField(required=False)
    cursor = serializers.CharField(required=False, max_length=300)
    page_size = serializers.IntegerField(required=False, min_value=1, max_value=500, default=50)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        return {name: field for name, field in fields.items() if name not in ("from", "to")}


class EntrySerializer(serializers.Serializer[Any]):
    """One change of one record. What `as_json` makes of an entry, which is many times as fast."""

    id = serializers.UUIDField()
    tenant = serializers.CharField()
    sequence = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    completed_at = serializers.DateTimeField()
    entity_type = serializers.CharField()
    operation = serializers.ChoiceField(choices=OPERATIONS)
    record_id = serializers.CharField(allow_null=True)
    modified_by = serializers.CharField(allow_null=True)
    modified_by_email = serializers.CharField(allow_null=True)
    old_values = serializers.DictField(allow_null=True)
    new_values = serializers.DictField(allow_null=True)
    diff = serializers.DictField()
    attribution = serializers.DictField()
    request_id = serializers.CharField(allow_null=True)
    hash = serializers.RegexField("^[0-9a-f]{64}$")

    class Meta:
        ref_name = "AuditEntry"


class EntryPageSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True, help_text="Older entries.")
    previous = serializers.URLField(allow_null=True, help_text="Newer ones.")
    results = EntrySerializer(many=True)

    class Meta:
        ref_name = "AuditEntryPage"


class RecordSerializer(serializers.Serializer[Any]):
    """One record at one moment, with what was changed in it."""

    entity_type = serializers.CharField()
    record_id = serializers.CharField()
    at = serializers.DateTimeField()
    exists = serializers.BooleanField()
    values = serializers.DictField(allow_null=True)
    next = serializers.URLField(allow_null=True)
    previous = serializers.URLField(allow_null=True)
    history = EntrySerializer(many=True)

    class Meta:
        ref_name = "AuditRecord"


def parse(kind: type[FilterQuery], parameters: QueryDict) -> dict[str, Any]:
    """What was asked for. Raises ValidationError."""
    repeated = sorted(name for name, values in parameters.lists() if len(values) > 1)
    if repeated:
        raise serializers.ValidationError({name: ["Given more than once."] for name in repeated})
    query = kind(data=parameters.dict())
    query.is_valid(raise_exception=True)
    return dict(query.validated_data)


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
        "old_values": readable_values(entry.old_values),
        "new_values": readable_values(entry.new_values),
        "diff": readable_values(entry.diff),
        "attribution": json.loads(entry.attribution),
        "request_id": entry.request_id,
        "hash": entry.hash.hex(),
    }
