"""The shape of jobs."""

from typing import Any

from rest_framework import serializers

from tenant_apps.jobs.choices import JobPhase, JobState


class JobSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(source="state", choices=JobState.choices)
    phase = serializers.ChoiceField(choices=JobPhase.choices, allow_blank=True)
    progress = serializers.IntegerField(min_value=0, max_value=100)
    error_message = serializers.CharField(allow_blank=True)
    file_name = serializers.CharField(allow_blank=True)
    has_result_file = serializers.SerializerMethodField()
    attempt = serializers.IntegerField()
    requested_by = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_has_result_file(self, job: Any) -> bool:
        return bool(job.result_name)


class JobResultsSerializer(JobSerializer):
    result = serializers.JSONField(allow_null=True)
    """An app's own says what it holds."""
