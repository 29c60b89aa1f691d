"""Sign-in and a viewset that does nothing for its tenant's sake."""

from django.urls import include, path
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from shared_apps.core.api.routers import ApiRouter
from shared_apps.core.api.versioning import versioned
from tenant_apps.invoicing.models import Vendor


class VendorSerializer(ModelSerializer[Vendor]):
    class Meta:
        model = Vendor
        fields = "__all__"


class VendorViewSet(ModelViewSet[Vendor]):
    queryset = Vendor.objects.all()
    serializer_class = VendorSerializer


router = ApiRouter()
router.register("plain", VendorViewSet)

urlpatterns = versioned(
    [path("auth/", include("shared_apps.authn.urls")), path("", include(router.urls))]
)
