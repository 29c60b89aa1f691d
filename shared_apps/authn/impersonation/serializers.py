from datetime import timedelta
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared_apps.authn.models import LONGEST_IMPERSONATION, Impersonation
from shared_apps.core.fields import TextField
from shared_apps.core.serializers import InputSerializer

_SHORTEST = 5  # minutes


class ImpersonationInput(InputSerializer):
    tenant = TextField(max_length=40)
    user = TextField(max_length=254)
    """An id or an address."""
    reason = TextField(min_length=10, max_length=500)
    minutes = serializers.IntegerField(
        min_value=_SHORTEST, max_value=LONGEST_IMPERSONATION // timedelta(minutes=1)
    )
    write = serializers.BooleanField(default=False)

    def validate_user(self, value: str) -> UUID | str:
        try:
            return UUID(value)
        except ValueError:
            return value


class PersonSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField()

    class Meta:
        ref_name = "ImpersonatedPerson"


class SupporterSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    email = serializers.CharField(allow_null=True, help_text="Null: the account is gone.")

    class Meta:
        ref_name = "Supporter"


class ImpersonationSerializer(serializers.Serializer[Any]):
    """Needs `at` and `emails` (of people's ids) in its context."""

    id = serializers.UUIDField()
    tenant = serializers.CharField(source="tenant.slug")
    user = serializers.SerializerMethodField()
    impersonated_by = serializers.SerializerMethodField()
    reason = serializers.CharField()
    write = serializers.BooleanField(source="may_write")
    started_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    ended_at = serializers.SerializerMethodField()

    @extend_schema_field(PersonSerializer())
    def get_user(self, found: Impersonation) -> dict[str, str]:
        return {"id": str(found.user_id), "email": found.user.email}

    @extend_schema_field(SupporterSerializer())
    def get_impersonated_by(self, found: Impersonation) -> dict[str, str | None]:
        by = found.impersonator_id
        return {"id": str(by), "email": self.context["emails"].get(by)}

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_ended_at(self, found: Impersonation) -> str | None:
        ended_at = found.ended_at
        if ended_at is None and found.ends_at <= self.context["at"]:
            ended_at = found.ends_at
        return None if ended_at is None else serializers.DateTimeField().to_representation(ended_at)


class StartedImpersonationSerializer(ImpersonationSerializer):
    access = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds that `access` is good for.")
