"""Addresses that both hosts answer."""

from shared_apps.core.urls import endpoint
from shared_apps.core.version import VersionInfoView

system_urls = [
    *endpoint("version-info/", VersionInfoView.as_view(), name="version-info"),
    *endpoint("version/", VersionInfoView.as_view(), name="version"),
]
