"""Making gathered rows anew, and recording who was shown which tenant's."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar
from uuid import UUID

from django.db import connection, transaction

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.portfolio import rows, sources
from shared_apps.portfolio.models import Access

_T = TypeVar("_T")
_PORTION = 1000


@transaction.atomic
def rebuild(*, tenant: TenantIdentity) -> int:
    """Replace a tenant's gathered rows by what its schema holds; returns how many invoices.

    Readers see the old rows until all new ones are there. The relay waits when it comes to this tenant.
    """
    with context.operator():
        rows.lock(_execute, tenant.id)
        rows.remove_everything(_execute, tenant.id)
    count = 0
    for source in sources.registered():
        for vendors in _portions(tenant, source.iterate_vendors):
            with context.operator():
                rows.put_vendors(_execute, tenant.id, vendors)
        for invoices in _portions(tenant, source.iterate_invoices):
            with context.operator():
                rows.put_invoices(_execute, tenant.id, invoices)
            count += len(invoices)
    return count


def record_access(
    *,
    user_id: UUID,
    resource: str,
    shown: Mapping[UUID, int],
    query: Mapping[str, Any],
    at: datetime,
) -> None:
    """Say in each tenant's own trail that its rows were shown. `shown`: tenant → how many rows."""
    with context.operator():
        Access.objects.bulk_create(
            Access(
                tenant_id=tenant_id, user_id=user_id, resource=resource, rows=count,
                query=dict(query), at=at,
            )
            for tenant_id, count in sorted(shown.items())
        )  # fmt: skip


def _portions(tenant: TenantIdentity, iterate: Any) -> Iterator[list[Any]]:
    """Read in the tenant's context, hand out outside of it."""
    with context.tenant(tenant):
        remaining = iterate()
    while True:
        with context.tenant(tenant):
            portion = list(islice(remaining, _PORTION))
        if not portion:
            return
        yield portion


def _execute(statement: str, parameters: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
