from shared_apps.core.api.routers import ApiRouter
from shared_apps.core.urls import endpoint
from tenant_apps.invoicing import views
from tenant_apps.invoicing.importing import views as importing
from tenant_apps.invoicing.importing.job import KIND
from tenant_apps.jobs.urls import processing_urls

app_name = "invoicing"

router = ApiRouter()
router.register("vendors", views.VendorViewSet, basename="vendor")
router.register("invoices", views.InvoiceViewSet, basename="invoice")

urlpatterns = [
    *router.urls,
    *endpoint("invoicing/policy/", views.PolicyView.as_view(), name="policy-detail"),
    *processing_urls(
        feature="invoice-imports",
        kind=KIND,
        name="invoice-import",
        create=importing.InvoiceImportCreateView,
        results=importing.InvoiceImportResultsView,
    ),
]
