"""Addresses that both hosts answer."""

from django.urls import path

from shared_apps.core.openapi import views as openapi
from shared_apps.core.urls import endpoint
from shared_apps.core.version import VersionInfoView

system_urls = [
    *endpoint("version-info/", VersionInfoView.as_view(), name="version-info"),
    *endpoint("version/", VersionInfoView.as_view(), name="version"),
    *endpoint("schema/", openapi.SchemaView.as_view(), name="schema"),
    *endpoint("docs/", openapi.SwaggerView.as_view(), name="docs"),
    *endpoint("redoc/", openapi.RedocView.as_view(), name="redoc"),
    path("docs/assets/<str:name>", openapi.AssetView.as_view(), name="docs-asset"),
]
