"""Sign-ins of the people of the tenant that asks, and whether they are let in. For its administrators."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import disabling
from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission
from shared_apps.authn import selectors
from shared_apps.authn.members import services
from shared_apps.authn.selectors import SignIn
from shared_apps.authn.serializers import SessionSerializer
from shared_apps.authn.services import ending
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination


class AdminView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = dict.fromkeys(
        ("GET", "HEAD", "OPTIONS", "POST", "DELETE"), Permission.ADMIN
    )


class MemberSessionsView(AdminView):
    def get(self, request: Request, user_id: UUID) -> Response:
        tenant_id = _tenant_of(user_id)
        paginator = PagePagination()
        with context.operator():
            live = selectors.list_live_sessions(
                user_id=user_id, tenant_id=tenant_id, at=timezone.now()
            )
            page = paginator.paginate_queryset(live, request, view=self)
        assert isinstance(request.auth, SignIn)  # an administrator's
        rendered = SessionSerializer(page, many=True, context={"current": request.auth.session_id})
        return paginator.get_paginated_response(rendered.data)

    def delete(self, request: Request, user_id: UUID) -> Response:
        tenant_id = _tenant_of(user_id)
        ending.end_sessions(user_id=user_id, tenant_id=tenant_id, at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberSessionView(AdminView):
    def delete(self, request: Request, user_id: UUID, session_id: UUID) -> Response:
        ending.end_session(
            session_id=session_id,
            user_id=user_id,
            tenant_id=_tenant_of(user_id),
            at=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class DisableView(AdminView):
    def post(self, request: Request, user_id: UUID) -> Response:
        services.disable_member(
            tenant_id=context.require_tenant().id,
            user_id=user_id,
            by=request.user.pk,
            at=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnableView(AdminView):
    def post(self, request: Request, user_id: UUID) -> Response:
        disabling.enable_member(
            tenant_id=context.require_tenant().id, user_id=user_id, by=request.user.pk
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _tenant_of(user_id: UUID) -> UUID:
    """The present tenant. Raises PersonNotFoundError: this is nobody of it."""
    tenant_id = context.require_tenant().id
    people.get_member(tenant_id=tenant_id, user_id=user_id)
    return tenant_id
