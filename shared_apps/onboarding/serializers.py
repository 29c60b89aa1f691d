from typing import Any

from rest_framework import serializers

from shared_apps.core.fields import TextField
from shared_apps.core.serializers import InputSerializer


class ReasonInput(InputSerializer):
    reason = TextField(max_length=500)


class StepSerializer(serializers.Serializer[Any]):
    step = serializers.CharField()
    state = serializers.SerializerMethodField()
    attempt = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField()
    error = serializers.CharField()

    def get_state(self, step: Any) -> str:
        return str(step.state).lower()
