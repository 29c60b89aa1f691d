from shared_apps.core.urls import endpoint
from shared_apps.onboarding import views

app_name = "onboarding"
urlpatterns = [
    *endpoint("tenants/", views.TenantListView.as_view(), name="tenant-list"),
    *endpoint("tenants/<slug:slug>/", views.TenantView.as_view(), name="tenant"),
    *endpoint(
        "tenants/<slug:slug>/suspend/", views.TenantSuspendView.as_view(), name="tenant-suspend"
    ),
    *endpoint(
        "tenants/<slug:slug>/resume/", views.TenantResumeView.as_view(), name="tenant-resume"
    ),
    *endpoint("tenants/<slug:slug>/retry/", views.TenantRetryView.as_view(), name="tenant-retry"),
    *endpoint("runs/<uuid:run_id>/", views.RunView.as_view(), name="run"),
    *endpoint("tenants.schema.json", views.SchemaView.as_view(), name="schema"),
]
