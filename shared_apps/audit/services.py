"""Who was shown what of a tenant: an entry in that tenant's own trail."""

import json
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from django.db import connection, transaction

from shared_apps.audit import hints
from shared_apps.core import context

_SHARED_SCHEMA = "public"


class Access(StrEnum):
    """What was read, as the trail calls it. The database knows these two and refuses others."""

    AUDIT = "audit.access"
    PORTFOLIO = "portfolio.access"


def record_access(
    *, access: Access, resource: str, shown: Mapping[UUID, int], query: Mapping[str, object]
) -> None:
    """Say in each tenant's trail that so many of its rows were read, by whoever acts. `shown`: tenant → rows.

    It is committed when this returns, so that nothing is shown which is not recorded; not for use inside a
    transaction, which could take it back.

    Raises:
        DatabaseError: it cannot be recorded, so nothing may be shown.
    """
    if not shown:
        return
    counted = sorted(shown.items())
    with context.operator(), transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute(
            "SELECT record_access(%s, %s, %s::jsonb, %s::uuid[], %s::integer[])",
            [
                access.value,
                resource,
                json.dumps(query, default=str),
                [tenant_id for tenant_id, _ in counted],
                [count for _, count in counted],
            ],
        )
    hints.send(_SHARED_SCHEMA)
