"""Previews of the tenant that asks. For its administrators."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from django.utils import timezone
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from shared_apps.accounts.choices import Permission
from shared_apps.core import context
from shared_apps.core.pagination import PagePagination
from shared_apps.directory_sync import applying, background, selectors, services
from shared_apps.directory_sync.choices import State
from shared_apps.directory_sync.condition import status_of
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.directory_sync.serializers import (
    ApplyInput,
    ChoiceInput,
    ItemSerializer,
    PlanInput,
    PreviewSerializer,
    RequestInput,
    StatusSerializer,
)


class _AdminView(APIView):
    required_permissions: ClassVar[Mapping[str, Permission]] = dict.fromkeys(
        ("GET", "HEAD", "OPTIONS", "POST", "PATCH"), Permission.ADMIN
    )


class StatusView(_AdminView):
    """When the people were compared last, and what came of it."""

    def get(self, request: Request) -> Response:
        return Response(StatusSerializer(status_of(tenant_id=_tenant())).data)


class PreviewListView(_AdminView):
    def get(self, request: Request) -> Response:
        tenant_id = _tenant()
        paginator = PagePagination()
        with context.operator():
            found = selectors.list_previews(tenant_id=tenant_id)
            page = paginator.paginate_queryset(found, request, view=self)
        return paginator.get_paginated_response(PreviewSerializer(page, many=True).data)

    def post(self, request: Request) -> Response:
        body = RequestInput(data=request.data)
        body.is_valid(raise_exception=True)
        preview = services.request_preview(
            tenant_id=_tenant(), by=request.user.pk, at=timezone.now(),
            is_full=body.validated_data["full"],
        )  # fmt: skip
        return _shown(preview, status=status.HTTP_202_ACCEPTED)


class PreviewView(_AdminView):
    def get(self, request: Request, preview_id: UUID) -> Response:
        return _shown(selectors.get_preview(tenant_id=_tenant(), preview_id=preview_id))


class ItemListView(_AdminView):
    """`?kind=` of NEW, MODIFIED, DELETED."""

    def get(self, request: Request, preview_id: UUID) -> Response:
        preview = selectors.get_preview(tenant_id=_tenant(), preview_id=preview_id)
        paginator = PagePagination()
        with context.operator():
            found = selectors.list_items(preview=preview, kind=request.query_params.get("kind", ""))
            page = paginator.paginate_queryset(found, request, view=self)
        return paginator.get_paginated_response(ItemSerializer(page, many=True).data)


class ItemView(_AdminView):
    def patch(self, request: Request, preview_id: UUID, item_id: UUID) -> Response:
        body = ChoiceInput(data=request.data)
        body.is_valid(raise_exception=True)
        item = services.choose(
            tenant_id=_tenant(),
            preview_id=preview_id,
            item_id=item_id,
            is_selected=body.validated_data["selected"],
            fields=body.validated_data["fields"],
            at=timezone.now(),
        )
        return Response(ItemSerializer(item).data)


class ApproveView(_AdminView):
    def post(self, request: Request, preview_id: UUID) -> Response:
        body = PlanInput(data=request.data)
        body.is_valid(raise_exception=True)
        return _shown(
            services.approve(
                tenant_id=_tenant(),
                preview_id=preview_id,
                by=request.user.pk,
                at=timezone.now(),
                **body.validated_data,
            )
        )


class RejectView(_AdminView):
    def post(self, request: Request, preview_id: UUID) -> Response:
        rejected = services.reject(
            tenant_id=_tenant(), preview_id=preview_id, by=request.user.pk, at=timezone.now()
        )
        return _shown(rejected)


class ApplyView(_AdminView):
    def post(self, request: Request, preview_id: UUID) -> Response:
        body = ApplyInput(data=request.data)
        body.is_valid(raise_exception=True)
        preview = background.apply_or_enqueue(
            tenant_id=_tenant(),
            preview_id=preview_id,
            by=request.user.pk,
            at=timezone.now(),
            **body.validated_data,
        )
        is_done = preview.state == State.APPLIED
        return _shown(preview, status=status.HTTP_200_OK if is_done else status.HTTP_202_ACCEPTED)


class UndoView(_AdminView):
    def post(self, request: Request, preview_id: UUID) -> Response:
        undone = applying.undo(
            tenant_id=_tenant(), preview_id=preview_id, by=request.user.pk, at=timezone.now()
        )
        return _shown(undone)


def _tenant() -> UUID:
    return context.require_tenant().id


def _shown(preview: SyncPreview, *, status: int = status.HTTP_200_OK) -> Response:
    return Response(PreviewSerializer(preview).data, status=status)
