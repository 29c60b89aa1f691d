from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared_apps.accounts.choices import PERMISSIONS_OF_ROLE, Permission, Role
from shared_apps.accounts.models import TenantRole
from shared_apps.core.fields import OpaqueField, TextField
from shared_apps.core.serializers import InputSerializer


class MemberSerializer(serializers.Serializer[Any]):
    """A person as the tenant sees them: nothing of other tenants."""

    id = serializers.UUIDField(source="user.id")
    email = serializers.CharField(source="user.email")
    name = serializers.CharField(source="user.name")
    role = serializers.CharField()
    is_active = serializers.SerializerMethodField()
    granted_at = serializers.DateTimeField()

    def get_is_active(self, member: Any) -> bool:
        return bool(member.is_active and member.user.is_active)


class MemberCreateInput(InputSerializer):
    email = TextField(max_length=254)
    name = TextField(max_length=200, allow_blank=True, required=False, default="")
    role = TextField(max_length=40)
    password = OpaqueField(required=False, default=None)
    must_change_password = serializers.BooleanField(default=False)
    """Whether it opens nothing but the choice of another one."""


class RoleChangeInput(InputSerializer):
    role = TextField(max_length=40)


class RoleSerializer(serializers.Serializer[Any]):
    """A role of the tenant's own, or one that every tenant has and nobody changes."""

    id = serializers.SerializerMethodField()
    name = serializers.SerializerMethodField()
    permissions = serializers.SerializerMethodField()
    is_built_in = serializers.SerializerMethodField()

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_id(self, role: TenantRole | Role) -> str | None:
        return None if isinstance(role, Role) else str(role.id)

    def get_name(self, role: TenantRole | Role) -> str:
        return role.value if isinstance(role, Role) else role.name

    @extend_schema_field(
        serializers.ListField(child=serializers.ChoiceField(choices=Permission.choices))
    )
    def get_permissions(self, role: TenantRole | Role) -> list[str]:
        allowed = PERMISSIONS_OF_ROLE[role] if isinstance(role, Role) else role.permissions
        return [known.value for known in Permission if known in allowed]

    def get_is_built_in(self, role: TenantRole | Role) -> bool:
        return isinstance(role, Role)


class RoleInput(InputSerializer):
    name = TextField(max_length=40)
    permissions = serializers.ListField(
        child=serializers.ChoiceField(choices=Permission.choices),
        allow_empty=False,
        max_length=len(Permission),
    )


class RoleDeleteQuery(InputSerializer):
    force = serializers.BooleanField(default=False)
