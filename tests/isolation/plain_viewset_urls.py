"""The product's URLs and a viewset that does nothing for its tenant's sake."""

from django.urls import include, path
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from config.urls import urlpatterns as product
from tenant_apps.invoicing.models import Vendor


class VendorSerializer(ModelSerializer[Vendor]):
    class Meta:
        model = Vendor
        fields = "__all__"


class VendorViewSet(ModelViewSet[Vendor]):
    queryset = Vendor.objects.order_by("id")
    serializer_class = VendorSerializer


router = SimpleRouter()
router.register("plain", VendorViewSet)

urlpatterns = [*product, path("", include(router.urls))]
