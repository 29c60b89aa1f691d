"""Plain viewsets of the REST framework at our router, and sign-in."""

from typing import Any
from uuid import uuid4

from django.urls import include, path
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import HiddenField, ModelSerializer
from rest_framework.viewsets import ModelViewSet

from shared_apps.core.api.routers import ApiRouter
from shared_apps.core.api.versioning import versioned
from shared_apps.core.pagination import StreamPagination
from tenant_apps.invoicing.models import Vendor


class VendorSerializer(ModelSerializer[Vendor]):
    created_by: Any = HiddenField(default=uuid4)

    class Meta:
        model = Vendor
        fields = ("id", "name", "email", "created_at", "created_by")


class BareViewSet(ModelViewSet[Vendor]):
    queryset = Vendor.objects.all()
    serializer_class = VendorSerializer


class ActingViewSet(BareViewSet):
    @action(detail=True, methods=["post"])
    def rename(self, request: Request, pk: Any = None) -> Response:
        vendor = self.get_object()
        vendor.name = "renamed"
        vendor.save()
        return Response(self.get_serializer(vendor).data)


class DeclaredViewSet(BareViewSet):
    filterset_fields = ("name",)
    search_fields = ("name", "email")
    ordering_fields = ("name", "email")


class VendorV2Serializer(VendorSerializer):
    class Meta:
        model = Vendor
        fields = ("id", "name", "email", "created_by", "version")


class ShapedViewSet(BareViewSet):
    serializer_classes = {"v1": VendorSerializer, "v2": VendorV2Serializer}


class GuardedViewSet(BareViewSet):
    if_match_required = True


class Stream(StreamPagination):
    ordering = ("name", "id")


class StreamViewSet(BareViewSet):
    pagination_class = Stream


router = ApiRouter()
router.register("bare", BareViewSet, basename="bare")
router.register("acting", ActingViewSet, basename="acting")
router.register("declared", DeclaredViewSet, basename="declared")
router.register("shaped", ShapedViewSet, basename="shaped")
router.register("guarded", GuardedViewSet, basename="guarded")
router.register("stream", StreamViewSet, basename="stream")

urlpatterns = versioned(
    [path("auth/", include("shared_apps.authn.urls")), path("", include(router.urls))]
)
