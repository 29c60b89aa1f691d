"""The people and roles of the tenant that asks. For its administrators."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import custom_roles, selectors, serializers, services
from shared_apps.accounts.choices import Permission, Role
from shared_apps.accounts.models import UserTenantRole
from shared_apps.core import context
from shared_apps.core.execution import Execution
from shared_apps.core.pagination import PagePagination


class AdminView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = dict.fromkeys(
        ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE"), Permission.ADMIN
    )


class UserListView(AdminView):
    execution = Execution.ATOMIC  # what is sent may hold a password

    @extend_schema(responses=serializers.MemberSerializer(many=True))
    def get(self, request: Request) -> Response:
        paginator = PagePagination()
        members = selectors.list_members(tenant_id=context.require_tenant().id)
        with context.operator():
            page = paginator.paginate_queryset(members, request, view=self)
        return paginator.get_paginated_response(serializers.MemberSerializer(page, many=True).data)

    @extend_schema(
        request=serializers.MemberCreateInput, responses={201: serializers.MemberSerializer}
    )
    def post(self, request: Request) -> Response:
        body = serializers.MemberCreateInput(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.create_person(
            tenant_id=context.require_tenant().id,
            by=request.user.pk,
            at=timezone.now(),
            **body.validated_data,
        )
        return Response(_rendered(member), status=status.HTTP_201_CREATED)


class UserView(AdminView):
    @extend_schema(responses=serializers.MemberSerializer)
    def get(self, request: Request, user_id: UUID) -> Response:
        member = selectors.get_member(tenant_id=context.require_tenant().id, user_id=user_id)
        return Response(_rendered(member))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, user_id: UUID) -> Response:
        services.revoke_role(
            tenant_id=context.require_tenant().id, user_id=user_id, by=request.user.pk
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserRoleView(AdminView):
    @extend_schema(request=serializers.RoleChangeInput, responses=serializers.MemberSerializer)
    def patch(self, request: Request, user_id: UUID) -> Response:
        body = serializers.RoleChangeInput(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.change_role(
            tenant_id=context.require_tenant().id,
            user_id=user_id,
            role=body.validated_data["role"],
            by=request.user.pk,
        )
        return Response(_rendered(member))


class RoleListView(AdminView):
    """The built-in ones first, then the tenant's own by name."""

    @extend_schema(responses=serializers.RoleSerializer(many=True))
    def get(self, request: Request) -> Response:
        own = selectors.list_custom_roles(tenant_id=context.require_tenant().id)
        with context.operator():
            roles = [*Role, *own]
        paginator = PagePagination()
        page = paginator.paginate_queryset(roles, request, view=self)  # type: ignore[arg-type]  # a list does
        return paginator.get_paginated_response(serializers.RoleSerializer(page, many=True).data)

    @extend_schema(request=serializers.RoleInput, responses={201: serializers.RoleSerializer})
    def post(self, request: Request) -> Response:
        body = serializers.RoleInput(data=request.data)
        body.is_valid(raise_exception=True)
        role = custom_roles.create_role(
            tenant_id=context.require_tenant().id,
            by=request.user.pk,
            at=timezone.now(),
            **body.validated_data,
        )
        return Response(serializers.RoleSerializer(role).data, status=status.HTTP_201_CREATED)


class RoleView(AdminView):
    @extend_schema(responses=serializers.RoleSerializer)
    def get(self, request: Request, role_id: UUID) -> Response:
        role = selectors.get_custom_role(tenant_id=context.require_tenant().id, role_id=role_id)
        return Response(serializers.RoleSerializer(role).data)

    @extend_schema(
        request=serializers.RoleInput(partial=True), responses=serializers.RoleSerializer
    )
    def patch(self, request: Request, role_id: UUID) -> Response:
        body = serializers.RoleInput(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        role = custom_roles.change_custom_role(
            tenant_id=context.require_tenant().id,
            role_id=role_id,
            name=body.validated_data.get("name"),
            permissions=body.validated_data.get("permissions"),
            by=request.user.pk,
        )
        return Response(serializers.RoleSerializer(role).data)

    @extend_schema(parameters=[serializers.RoleDeleteQuery], responses={204: None})
    def delete(self, request: Request, role_id: UUID) -> Response:
        query = serializers.RoleDeleteQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        custom_roles.delete_role(
            tenant_id=context.require_tenant().id,
            role_id=role_id,
            by=request.user.pk,
            force=query.validated_data["force"],
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _rendered(member: UserTenantRole) -> dict[str, Any]:
    return dict(serializers.MemberSerializer(member).data)
