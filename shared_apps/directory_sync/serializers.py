from typing import Any

from rest_framework import serializers

from shared_apps.core.fields import TextField
from shared_apps.core.serializers import InputSerializer
from shared_apps.directory_sync.choices import FIELDS


class RequestInput(InputSerializer):
    full = serializers.BooleanField(required=False, default=False)


class PlanInput(InputSerializer):
    fingerprint = TextField(max_length=64)


class ApplyInput(PlanInput):
    override_reason = TextField(min_length=10, max_length=500, required=False, default="")


class _FieldChoice(InputSerializer):
    """Field → whether its change is taken."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {name: serializers.BooleanField(required=False) for name in FIELDS}


class ChoiceInput(InputSerializer):
    selected = serializers.BooleanField(required=False, allow_null=True, default=None)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # `fields` is what Django REST framework calls something else, so it cannot be an attribute.
        return {**super().get_fields(), "fields": _FieldChoice(required=False, default=dict)}


class PreviewSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    entity_type = serializers.CharField()
    is_scheduled = serializers.BooleanField()
    comparison = serializers.CharField()
    is_automatic = serializers.BooleanField()
    state = serializers.CharField()
    source_count = serializers.IntegerField()
    new_count = serializers.IntegerField()
    modified_count = serializers.IntegerField()
    deleted_count = serializers.IntegerField()
    diff_data = serializers.JSONField()
    fingerprint = serializers.CharField()
    failure = serializers.CharField()
    requested_by = serializers.UUIDField()
    requested_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    reviewed_by = serializers.UUIDField()
    reviewed_at = serializers.DateTimeField()
    dangers = serializers.ListField(child=serializers.CharField())
    override_reason = serializers.CharField()
    applied_by = serializers.UUIDField()
    applied_at = serializers.DateTimeField()
    result = serializers.JSONField()
    undone_by = serializers.UUIDField()
    undone_at = serializers.DateTimeField()


class StatusSerializer(serializers.Serializer[Any]):
    schedule = serializers.CharField()
    applies_by_itself = serializers.BooleanField()
    problem = serializers.CharField()
    waiting_count = serializers.IntegerField()
    compared_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField()
    latest = PreviewSerializer()


class ItemSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    kind = serializers.CharField()
    external_id = serializers.CharField()
    user_id = serializers.UUIDField()
    selected = serializers.BooleanField(source="is_selected")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        # Both names are something else of Django REST framework's.
        return {
            **super().get_fields(),
            "label": serializers.CharField(),
            "fields": serializers.JSONField(),
        }
