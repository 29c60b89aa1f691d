"""Addresses in mails: of a tenant's stored primary host, never of what a request claimed."""

from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings

from shared_apps.tenants import selectors as tenants

RESET_PATH = "/password/reset"
REGISTRATION_PATH = "/registration/confirm"


def link(*, tenant_id: UUID | None, path: str, token: str = "") -> str:
    """The token stands behind `#`, where browsers send it to nobody and servers log nothing.

    Raises:
        TenantNotFoundError.
    """
    base = urlsplit(settings.PUBLIC_URL)
    host = tenants.get_primary_host(tenant_id=tenant_id) if tenant_id else base.hostname
    port = f":{base.port}" if base.port else ""
    fragment = f"#{token}" if token else ""
    return f"{base.scheme}://{host}{port}{path}{fragment}"


def name_of(tenant_id: UUID | None) -> str:
    """What people call the place that a mail is about."""
    if tenant_id is None:
        return settings.PUBLIC_HOST
    return str(tenants.get_tenant_by_id(tenant_id=tenant_id).name)
