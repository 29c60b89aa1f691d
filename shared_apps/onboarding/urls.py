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
    *endpoint(
        "tenants/<slug:slug>/archive/", views.TenantArchiveView.as_view(), name="tenant-archive"
    ),
    *endpoint(
        "tenants/<slug:slug>/take-back/",
        views.TenantTakeBackView.as_view(),
        name="tenant-take-back",
    ),
    *endpoint(
        "tenants/<slug:slug>/rename/", views.TenantRenameView.as_view(), name="tenant-rename"
    ),
    *endpoint("tenants/<slug:slug>/clone/", views.TenantCloneView.as_view(), name="tenant-clone"),
    *endpoint(
        "tenants/<slug:slug>/export/", views.TenantExportView.as_view(), name="tenant-export"
    ),
    *endpoint(
        "tenants/<slug:slug>/delete/", views.TenantDeleteView.as_view(), name="tenant-delete"
    ),
    *endpoint(
        "tenants/<slug:slug>/auth-backend/",
        views.TenantAuthBackendView.as_view(),
        name="tenant-auth-backend",
    ),
    *endpoint(
        "tenants/<slug:slug>/auth-backend/test/",
        views.TenantAuthTestView.as_view(),
        name="tenant-auth-backend-test",
    ),
    *endpoint("restores/", views.RestoreView.as_view(), name="restore"),
    *endpoint("fleet/migrate/", views.FleetMigrateView.as_view(), name="fleet-migrate"),
    *endpoint("runs/", views.RunListView.as_view(), name="run-list"),
    *endpoint("tenants/<slug:slug>/retry/", views.TenantRetryView.as_view(), name="tenant-retry"),
    *endpoint("runs/<uuid:run_id>/", views.RunView.as_view(), name="run"),
    *endpoint("tenants.schema.json", views.SchemaView.as_view(), name="schema"),
]
