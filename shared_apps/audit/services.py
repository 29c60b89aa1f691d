"""What is said of readings in the trail, and what acts on the trail as a whole."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from shared_apps.audit import hints
from shared_apps.audit.anchors import taking
from shared_apps.audit.anchors.keys import SigningKey
from shared_apps.audit.anchors.places import naming
from shared_apps.audit.choices import Access
from shared_apps.core import context
from shared_apps.core.required import required

_SHARED_SCHEMA = "public"


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


def take_anchor() -> taking.Taken:
    """Sign where all chains end and give it to all places.

    Raises:
        SettingMissingError, AnchorKeyError, AnchorPlaceError: a setting is missing or wrong.
        AnchorBusyError: another process is at it.
        psycopg.Error: the audit database does not answer.
    """
    key = SigningKey.from_setting(required("AUDIT_ANCHOR_KEY"))
    return taking.take(
        url=required("AUDIT_AUDITOR_DATABASE_URL"),
        key=key,
        places=naming.places(settings.AUDIT_ANCHOR_PLACES),
        at=datetime.now(UTC),
    )
