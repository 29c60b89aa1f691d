from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.client import Api


@pytest.fixture
def plain(settings: Any, api: Callable[..., Api], acme: TenantIdentity) -> Api:
    """An editor of acme at the addresses of plain_urls.py."""
    settings.ROOT_URLCONF = "tests.integration.shared_apps.core.api.plain_urls"
    return api(acme, "editor")


@pytest.fixture
def make_vendors(acme: TenantIdentity, globex: TenantIdentity) -> Callable[[int], None]:
    """`make_vendors(75)`: `vendor 000` to `vendor 074` at acme; at globex one of its own."""
    from tenant_apps.invoicing.models import Vendor

    def make(count: int) -> None:
        with context.tenant(globex):
            Vendor.objects.create(name="vendor of globex", created_by=uuid4())
        with context.tenant(acme):
            Vendor.objects.bulk_create(
                Vendor(name=f"vendor {n:03}", email=f"{n % 2}@v.example", created_by=uuid4())
                for n in range(count)
            )

    return make
