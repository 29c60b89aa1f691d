"""Sign-in and nothing else: no address shows anything of the tenant."""

from django.urls import include, path

v1 = [path("auth/", include("shared_apps.authn.urls"))]

urlpatterns = [path("api/v1/", include((v1, "v1")))]
