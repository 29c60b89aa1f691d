from shared_apps.authn.impersonation import views
from shared_apps.core.urls import endpoint

app_name = "support"
urlpatterns = [
    *endpoint("impersonations/", views.SupportListView.as_view(), name="impersonation-list"),
    *endpoint(
        "impersonations/<uuid:impersonation_id>/",
        views.SupportView.as_view(),
        name="impersonation",
    ),
]
