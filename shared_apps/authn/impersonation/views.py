"""Who works in whose name: begun by support at the public host, overseen by the tenant's administrators."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts import selectors as people
from shared_apps.accounts.choices import Permission
from shared_apps.authn.impersonation import selectors, services
from shared_apps.authn.impersonation.serializers import (
    ImpersonationInput,
    ImpersonationSerializer,
    StartedImpersonationSerializer,
)
from shared_apps.authn.models import Impersonation
from shared_apps.authn.permissions import IsSupport
from shared_apps.authn.selectors import SignIn
from shared_apps.core import attribution, context
from shared_apps.core.pagination import PagePagination


class _ListView(APIView):
    def listed(self, request: Request, found: QuerySet[Impersonation]) -> Response:
        paginator = PagePagination()
        with context.operator():
            page = paginator.paginate_queryset(found, request, view=self) or []
        return paginator.get_paginated_response(_rendered(*page))


class SupportListView(_ListView):
    """Of somebody of support, at the public host."""

    permission_classes = [IsSupport]

    @extend_schema(responses=ImpersonationSerializer(many=True))
    def get(self, request: Request) -> Response:
        own = selectors.list_of_person(impersonator_id=_person(request))
        return self.listed(request, own)

    @extend_schema(
        request=ImpersonationInput, responses={201: StartedImpersonationSerializer, 404: None}
    )
    def post(self, request: Request) -> Response:
        body = ImpersonationInput(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        started = services.start(
            slug=given["tenant"],
            user=given["user"],
            by=_person(request),
            reason=given["reason"],
            length=timedelta(minutes=given["minutes"]),
            may_write=given["write"],
            ip=attribution.current().ip,
            at=timezone.now(),
        )
        [rendered] = _rendered(started.impersonation)
        return Response(
            {**rendered, "access": started.access, "expires_in": given["minutes"] * 60},
            status=status.HTTP_201_CREATED,
            headers={"Cache-Control": "no-store"},
        )


class SupportView(APIView):
    permission_classes = [IsSupport]

    @extend_schema(responses={204: None})
    def delete(self, request: Request, impersonation_id: UUID) -> Response:
        services.end_own(impersonation_id=impersonation_id, by=_person(request), at=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


_ADMINISTRATORS: Mapping[str, Permission] = dict.fromkeys(
    ("GET", "HEAD", "OPTIONS", "DELETE"), Permission.ADMIN
)


class TenantListView(_ListView):
    """Going on and past, of the tenant that asks."""

    required_permissions: ClassVar[Mapping[str, Permission]] = _ADMINISTRATORS

    @extend_schema(responses=ImpersonationSerializer(many=True))
    def get(self, request: Request) -> Response:
        tenant_id = context.require_tenant().id
        return self.listed(request, selectors.list_of_tenant(tenant_id=tenant_id))


class TenantView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = _ADMINISTRATORS

    @extend_schema(responses={204: None})
    def delete(self, request: Request, impersonation_id: UUID) -> Response:
        services.end_in_tenant(
            tenant_id=context.require_tenant().id,
            impersonation_id=impersonation_id,
            by=_person(request),
            at=timezone.now(),
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


def _person(request: Request) -> UUID:
    """Whom the permissions have made sure of."""
    assert isinstance(request.auth, SignIn)
    return request.auth.user.id


def _rendered(*found: Impersonation) -> list[dict[str, Any]]:
    emails = people.emails_of(user_ids={one.impersonator_id for one in found})
    known = {"at": timezone.now(), "emails": emails}
    return [dict(ImpersonationSerializer(one, context=known).data) for one in found]
