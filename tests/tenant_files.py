"""Files of a tenant, as an app keeps and gives them."""

from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage as files

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity


def save(tenant: TenantIdentity, name: str, content: bytes = b"content") -> str:
    with context.tenant(tenant):
        return files.save(name, ContentFile(content))


def read(tenant: TenantIdentity, name: str) -> bytes:
    with context.tenant(tenant), files.open(name) as file:
        content: bytes = file.read()
        return content


def address(tenant: TenantIdentity, name: str, **options: Any) -> str:
    with context.tenant(tenant):
        return files.url(name, **options)  # type: ignore[call-arg]
