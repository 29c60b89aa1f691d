from shared_apps.core.api.routers import ApiRouter
from shared_apps.core.urls import endpoint
from tenant_apps.invoicing import views

app_name = "invoicing"

router = ApiRouter()
router.register("vendors", views.VendorViewSet, basename="vendor")
router.register("invoices", views.InvoiceViewSet, basename="invoice")

urlpatterns = [
    *router.urls,
    *endpoint("invoicing/policy/", views.PolicyView.as_view(), name="policy-detail"),
]
