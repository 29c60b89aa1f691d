"""Whether anchors are taken and have come to all their places, for `manage.py doctor`."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
from django.conf import settings

from shared_apps.audit.anchors.places import naming
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.doctor import Finding

_SUBJECT = "anchors of the audit trail"
_MISSED_BEFORE_ALARM = 3

# None has been taken, though there were entries for long enough; or not for so long.
_IS_OVERDUE = """
SELECT CASE WHEN EXISTS (SELECT FROM audit.anchor)
    THEN (SELECT max(taken_at) < now() - %(age)s::interval FROM audit.anchor)
    ELSE EXISTS (SELECT FROM audit.entry WHERE completed_at < now() - %(age)s::interval) END
"""
_WAITING = """
SELECT delivered, count(*) FROM audit.anchor
WHERE document IS NOT NULL AND taken_at < now() - %(age)s::interval GROUP BY delivered
"""
_SET_BACK = """
SELECT a.tenant_id, coalesce(c.sequence, 0), a.sequence FROM audit.anchored a
LEFT JOIN audit.chain c USING (tenant_id) WHERE coalesce(c.sequence, 0) < a.sequence ORDER BY 1 LIMIT 5
"""


def find_problems() -> Iterator[Finding]:
    """Nothing where the auditor's login is not known: the processes that serve do not take anchors."""
    if not settings.AUDIT_AUDITOR_DATABASE_URL:
        return
    if not settings.AUDIT_ANCHOR_PLACES:
        yield Finding(
            _SUBJECT,
            "there is no place for them: who keeps the audit database can rewrite it unseen",
            "set AUDIT_ANCHOR_KEY and AUDIT_ANCHOR_PLACES (docs/audit.md)",
        )
        return
    with databases.connect(
        settings.AUDIT_AUDITOR_DATABASE_URL, Database.AUDIT, autocommit=True
    ) as connection:
        yield from _examine(connection)


def _examine(connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    age = {"age": timedelta(seconds=_MISSED_BEFORE_ALARM * settings.AUDIT_ANCHOR_SECONDS)}
    if connection.execute(_IS_OVERDUE, age).fetchone() == (True,):
        yield Finding(
            _SUBJECT,
            f"none was taken for {age['age']}",
            "manage.py audit anchor; see whether beat and the provisioner run",
        )
    places = {place.name for place in naming.places(settings.AUDIT_ANCHOR_PLACES)}
    waiting: dict[str, int] = {}
    for delivered, count in connection.execute(_WAITING, age):
        for place in places - set(delivered):
            waiting[place] = waiting.get(place, 0) + count
    for place, count in sorted(waiting.items()):
        yield Finding(
            _SUBJECT, f"{count} wait for {place}", "make it reachable; manage.py audit anchor"
        )
    for tenant_id, ends, anchored in connection.execute(_SET_BACK):
        yield Finding(
            _SUBJECT,
            f"the chain of {tenant_id} ends at {ends}, but was anchored up to {anchored}",
            f"manage.py audit verify --tenant {tenant_id} --anchors PATH",
        )
