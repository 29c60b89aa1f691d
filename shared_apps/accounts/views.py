"""The people of the tenant that asks. For its administrators."""

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import selectors, serializers, services
from shared_apps.accounts.choices import Permission, Role
from shared_apps.accounts.models import UserTenantRole
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination


class AdminView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = dict.fromkeys(
        ("GET", "HEAD", "OPTIONS", "POST", "PATCH", "DELETE"), Permission.ADMIN
    )


class UserListView(AdminView):
    def get(self, request: Request) -> Response:
        paginator = PagePagination()
        members = selectors.list_members(tenant_id=context.require_tenant().id)
        with context.operator():
            page = paginator.paginate_queryset(members, request, view=self)
        return paginator.get_paginated_response(serializers.MemberSerializer(page, many=True).data)

    def post(self, request: Request) -> Response:
        body = serializers.MemberCreateInput(data=request.data)
        body.is_valid(raise_exception=True)
        given = {**body.validated_data, "role": Role(body.validated_data["role"])}
        member = services.create_person(
            tenant_id=context.require_tenant().id, by=request.user.pk, at=timezone.now(), **given
        )
        return Response(_rendered(member), status=status.HTTP_201_CREATED)


class UserView(AdminView):
    def get(self, request: Request, user_id: UUID) -> Response:
        member = selectors.get_member(tenant_id=context.require_tenant().id, user_id=user_id)
        return Response(_rendered(member))

    def delete(self, request: Request, user_id: UUID) -> Response:
        services.revoke_role(
            tenant_id=context.require_tenant().id, user_id=user_id, by=request.user.pk
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class UserRoleView(AdminView):
    def patch(self, request: Request, user_id: UUID) -> Response:
        body = serializers.RoleChangeInput(data=request.data)
        body.is_valid(raise_exception=True)
        member = services.change_role(
            tenant_id=context.require_tenant().id,
            user_id=user_id,
            role=Role(body.validated_data["role"]),
            by=request.user.pk,
        )
        return Response(_rendered(member))


def _rendered(member: UserTenantRole) -> dict[str, Any]:
    return dict(serializers.MemberSerializer(member).data)
