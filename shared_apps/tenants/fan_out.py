"""One task for every active tenant, and how it went for each."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.choices import OutcomeState, TenantState
from shared_apps.tenants.models import TaskOutcome, Tenant

logger = logging.getLogger(__name__)

BATCH: Final = 500
_ERROR_LENGTH = 500
_START = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Batch:
    sent: int
    failed: int
    last: UUID | None
    """The tenant to go on after; None: there are no more."""


def send_batch(
    *,
    task: str,
    run_id: UUID,
    after: UUID | None,
    at: datetime,
    send: Callable[[], object],
) -> Batch:
    """Call `send` in the context of each of the next active tenants, whatever it raises for one.

    Tenants in any other state are passed over. A batch that is repeated sends again.
    """
    with context.operator():
        tenants = list(
            Tenant.objects.filter(state=TenantState.ACTIVE, id__gt=after or _START).order_by("id")[
                :BATCH
            ]
        )
        # Before sending, so that the first to finish finds its row.
        TaskOutcome.objects.bulk_create(
            [
                TaskOutcome(
                    tenant=tenant, task=task, run_id=run_id, state=OutcomeState.SENT, sent_at=at
                )
                for tenant in tenants
            ],
            update_conflicts=True,
            unique_fields=["tenant", "task"],
            update_fields=["run_id", "state", "error", "sent_at", "finished_at"],
        )
    failed = sum(
        not _send(tenant.identity, task=task, run_id=run_id, at=at, send=send) for tenant in tenants
    )
    last = tenants[-1].id if len(tenants) == BATCH else None
    return Batch(sent=len(tenants) - failed, failed=failed, last=last)


def _send(
    tenant: TenantIdentity, *, task: str, run_id: UUID, at: datetime, send: Callable[[], object]
) -> bool:
    try:
        with context.tenant(tenant):
            send()
    except Exception as error:  # whatever it is, the next tenant must not suffer from it
        logger.exception("%s could not be sent for %s", task, tenant.slug)
        record_outcome(tenant_id=tenant.id, task=task, run_id=run_id, error=repr(error), at=at)
        return False
    return True


def record_outcome(
    *, tenant_id: UUID, task: str, run_id: UUID, error: str | None, at: datetime
) -> None:
    """Note that a tenant's task has finished, well or, with an error, badly."""
    with context.operator():
        TaskOutcome.objects.filter(tenant=tenant_id, task=task, run_id=run_id).update(
            state=OutcomeState.SUCCEEDED if error is None else OutcomeState.FAILED,
            error=(error or "")[:_ERROR_LENGTH],
            finished_at=at,
        )
    if error is None:
        logger.info("%s succeeded for tenant %s", task, tenant_id)
    else:
        logger.error("%s failed for tenant %s: %s", task, tenant_id, error)
