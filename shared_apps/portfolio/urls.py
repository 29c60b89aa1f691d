from shared_apps.core.urls import endpoint
from shared_apps.portfolio import views

app_name = "portfolio"
urlpatterns = [
    *endpoint("tenants/", views.TenantListView.as_view(), name="tenant-list"),
    *endpoint("invoices/", views.InvoiceListView.as_view(), name="invoice-list"),
    *endpoint("audit/", views.EntryListView.as_view(), name="entry-list"),
    *endpoint("audit/<uuid:entry_id>/", views.EntryView.as_view(), name="entry"),
    *endpoint(
        "audit/records/<str:tenant>/<str:entity>/<path:record_id>/",
        views.RecordView.as_view(),
        name="record",
    ),
]
