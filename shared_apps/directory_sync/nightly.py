"""Previews that nobody asks for, of tenants that want one every night. They are never applied by themselves."""

import logging
from datetime import datetime

from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.directory_sync import services
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import TenantState

logger = logging.getLogger(__name__)


def request(*, at: datetime) -> int:
    """How many were begun; a tenant whose directory cannot be used is passed over."""
    with context.operator():
        active = list(tenants.list_tenants().filter(state=TenantState.ACTIVE))
    present = configuring.list_present(tenant_ids=[tenant.id for tenant in active])
    begun = 0
    for tenant in active:
        if present[tenant.id].options.get("sync", {}).get("schedule") != "nightly":
            continue
        try:
            services.request_preview(tenant_id=tenant.id, by=None, at=at)
            begun += 1
        except AppError as error:
            logger.warning("No preview for tenant %s: %s", tenant.slug, explain(error))
    return begun
