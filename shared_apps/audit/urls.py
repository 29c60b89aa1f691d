from shared_apps.audit import views
from shared_apps.audit.exports.views import ExportView
from shared_apps.core.urls import endpoint

app_name = "audit"
urlpatterns = [
    *endpoint("entries/", views.EntryListView.as_view(), name="entry-list"),
    *endpoint("entries/<uuid:entry_id>/", views.EntryView.as_view(), name="entry"),
    *endpoint("records/<str:entity>/<path:record_id>/", views.RecordView.as_view(), name="record"),
    *endpoint("export/", ExportView.as_view(), name="export"),
]
