"""Making gathered rows anew."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, transaction

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.portfolio import rows, sources

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
