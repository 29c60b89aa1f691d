from shared_apps.core.urls import endpoint
from shared_apps.directory_sync import views

app_name = "directory_sync"
_HOME = "directory-sync/"
_ONE = f"{_HOME}previews/<uuid:preview_id>/"
urlpatterns = [
    *endpoint(_HOME, views.StatusView.as_view(), name="status"),
    *endpoint(f"{_HOME}previews/", views.PreviewListView.as_view(), name="preview-list"),
    *endpoint(_ONE, views.PreviewView.as_view(), name="preview"),
    *endpoint(f"{_ONE}items/", views.ItemListView.as_view(), name="item-list"),
    *endpoint(f"{_ONE}items/<uuid:item_id>/", views.ItemView.as_view(), name="item"),
    *endpoint(f"{_ONE}approve/", views.ApproveView.as_view(), name="approve"),
    *endpoint(f"{_ONE}reject/", views.RejectView.as_view(), name="reject"),
    *endpoint(f"{_ONE}apply/", views.ApplyView.as_view(), name="apply"),
    *endpoint(f"{_ONE}undo/", views.UndoView.as_view(), name="undo"),
]
