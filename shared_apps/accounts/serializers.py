from typing import Any

from rest_framework import serializers

from shared_apps.accounts.choices import Role
from shared_apps.core.fields import OpaqueField, TextField
from shared_apps.core.serializers import InputSerializer


class MemberSerializer(serializers.Serializer[Any]):
    """A person as the tenant sees them: nothing of other tenants."""

    id = serializers.UUIDField(source="user.id")
    email = serializers.CharField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.CharField()
    is_active = serializers.BooleanField(source="user.is_active")
    granted_at = serializers.DateTimeField()


class MemberCreateInput(InputSerializer):
    email = TextField(max_length=254)
    name = TextField(max_length=200, allow_blank=True, required=False, default="")
    role = serializers.ChoiceField(choices=Role.choices)
    password = OpaqueField(required=False, default=None)


class RoleChangeInput(InputSerializer):
    role = serializers.ChoiceField(choices=Role.choices)
