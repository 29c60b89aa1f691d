from shared_apps.core.urls import endpoint
from tenant_apps.invoicing import views

app_name = "invoicing"

_INVOICE = "invoices/<uuid:invoice_id>/"

urlpatterns = [
    *endpoint("vendors/", views.VendorListView.as_view(), name="vendor-list"),
    *endpoint("vendors/<uuid:vendor_id>/", views.VendorView.as_view(), name="vendor-detail"),
    *endpoint("invoices/", views.InvoiceListView.as_view(), name="invoice-list"),
    *endpoint(_INVOICE, views.InvoiceView.as_view(), name="invoice-detail"),
    *endpoint(f"{_INVOICE}issue/", views.InvoiceIssueView.as_view(), name="invoice-issue"),
    *endpoint(f"{_INVOICE}pay/", views.InvoicePayView.as_view(), name="invoice-pay"),
    *endpoint(f"{_INVOICE}void/", views.InvoiceVoidView.as_view(), name="invoice-void"),
    *endpoint(
        f"{_INVOICE}credit-note/", views.InvoiceCreditNoteView.as_view(), name="invoice-credit-note"
    ),
    *endpoint("invoicing/policy/", views.PolicyView.as_view(), name="policy-detail"),
]
