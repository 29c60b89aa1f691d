"""What is wrong with sign-in before anybody tries it."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error

from shared_apps.authn.backends import configurations, registry
from shared_apps.authn.models import AuthConfiguration
from shared_apps.core.doctor import Finding
from shared_apps.core.sealing import SealBrokenError


def check_installed_backends(
    *, app_configs: Sequence[AppConfig] | None = None, **_: Any
) -> list[CheckMessage]:
    """A package that brings a backend and is broken is named, and never passed over in silence."""
    return errors_of(registry.found())


def errors_of(found: registry.Found) -> list[CheckMessage]:
    return [
        Error(
            f"The backend {broken.name} of an installed package cannot be used: {broken.reason}.",
            hint="Repair the package or uninstall it; its class is described in docs/sign-in.md.",
            id="authn.E001",
        )
        for broken in found.broken
    ]


def find_unusable() -> list[Finding]:
    """For the doctor: tenants whose people cannot sign in, whatever the directory says."""
    findings: list[Finding] = []
    for row in AuthConfiguration.objects.select_related("tenant").order_by("tenant__slug"):
        slug = row.tenant.slug
        if row.kind not in registry.found().classes:
            findings.append(
                Finding(
                    slug,
                    f"its backend {row.kind} is not installed",
                    "install its package in every process, or `manage.py tenant auth set`",
                )
            )
        try:
            configurations.open_secrets(row)
        except SealBrokenError as error:
            findings.append(
                Finding(
                    slug,
                    f"the secrets of its sign-in cannot be opened: {error}",
                    "add the former secret after the one in use in AUTH_ENCRYPTION_KEYS, in every process",
                )
            )
    return findings
