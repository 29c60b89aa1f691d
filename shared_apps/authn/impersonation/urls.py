from shared_apps.authn.impersonation import views
from shared_apps.core.urls import endpoint

app_name = "impersonation"
urlpatterns = [
    *endpoint("impersonations/", views.TenantListView.as_view(), name="list"),
    *endpoint("impersonations/<uuid:impersonation_id>/", views.TenantView.as_view(), name="one"),
]
