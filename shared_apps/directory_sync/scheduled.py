"""Previews that nobody asks for, of tenants that want one every night or hour."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from shared_apps.authn import configuring
from shared_apps.core import context
from shared_apps.core.errors import AppError, explain
from shared_apps.directory_sync import automatic, services
from shared_apps.directory_sync.choices import Schedule, State
from shared_apps.directory_sync.errors import ListingRunningError, NoDirectoryError
from shared_apps.directory_sync.models import SyncPreview
from shared_apps.directory_sync.rules import Rules
from shared_apps.tenants import selectors as tenants
from shared_apps.tenants.choices import TenantState

logger = logging.getLogger(__name__)

_NO_REALM = UUID(int=0)
_KEPT_FOR = timedelta(days=2)


def request(*, schedule: Schedule, at: datetime) -> int:
    """How many were begun. Of a tenant whose directory cannot be used the failure is kept."""
    begun = 0
    for tenant_id in list_wanted(schedule=schedule):
        _delete_empty(tenant_id, at)
        try:
            services.request_preview(tenant_id=tenant_id, by=None, at=at, is_scheduled=True)
            begun += 1
        except ListingRunningError:
            logger.info("The directory of tenant %s is being read already", tenant_id)
        except AppError as error:
            logger.warning("No preview for tenant %s: %s", tenant_id, explain(error))
            if not isinstance(error, NoDirectoryError):
                _keep_failure(tenant_id, explain(error), at)
    return begun


def list_wanted(*, schedule: Schedule) -> Mapping[UUID, Mapping[str, Any]]:
    """Active tenant → the options of its backend."""
    with context.operator():
        active = list(
            tenants.list_tenants().filter(state=TenantState.ACTIVE).values_list("id", flat=True)
        )
    present = configuring.list_present(tenant_ids=active)
    return {
        tenant_id: found.options
        for tenant_id, found in present.items()
        if Rules.of_options(found.options).schedule == schedule
    }


def _keep_failure(tenant_id: UUID, why: str, at: datetime) -> None:
    with context.operator():
        preview = SyncPreview.objects.create(
            tenant_id=tenant_id, realm=_NO_REALM, requested_at=at, is_scheduled=True,
            state=State.FAILED, failure=why[:500],
        )  # fmt: skip
    automatic.settle(preview_id=preview.id, at=at)


def _delete_empty(tenant_id: UUID, at: datetime) -> None:
    """That nothing was different is of no interest after a while."""
    with context.operator():
        SyncPreview.objects.filter(
            tenant_id=tenant_id, is_scheduled=True, items__isnull=True,
            requested_at__lt=at - _KEPT_FOR,
        ).exclude(state=State.LISTING).delete()  # fmt: skip
