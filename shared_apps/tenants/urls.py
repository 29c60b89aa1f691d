from django.urls import path

from shared_apps.tenants import views

app_name = "tenants"
urlpatterns = [path("<str:signed>", views.FileView.as_view(), name="file")]
