"""Removes entries: told in the trail first, then the chain's new beginning, then the rows.

After each of these steps the trail verifies, and whoever died in between is taken up by the next run:
rows before the beginning of a chain do not count, and go.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connections, transaction

from shared_apps.audit import recording
from shared_apps.audit.errors import RetentionPendingError, RetentionRefusedError
from shared_apps.audit.retention.planning import Plan, Step
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain

ENTITY = "audit.retention"
_AT_ONCE = 10_000  # entries that one statement deletes
_PAUSE = 0.2
_LOCK_SECONDS = 4.0

_TOLD = """
SELECT count(*) FROM unnest(%s::uuid[], %s::bigint[]) AS s (tenant_id, up_to)
WHERE EXISTS (SELECT FROM audit.entry e WHERE e.tenant_id = s.tenant_id AND e.entity_type = %s
              AND (e.new_values ->> 'pruned_up_to')::bigint = s.up_to)
"""
_MONTHS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'audit.entry'::regclass
AND (regexp_match(pg_get_expr(c.relpartbound, c.oid), $$TO \\('([^']+)'\\)$$))[1]::timestamptz <= %s
ORDER BY c.relname
"""

Report = Callable[[int, int], None]


def prune(
    plan: Plan, *, auditor_url: str, retention_url: str, wait: float, report: Report
) -> list[str]:
    """Carry out a plan; returns the months that were dropped whole.

    Raises:
        RetentionPendingError: the relay does not move what tells of it; nothing was removed.
        RetentionRefusedError: the audit database refuses a step; what was begun before stays and is whole.
        psycopg.Error: a database does not answer.
    """
    new = [step for step in plan.steps if step.entries]
    with databases.connect(auditor_url, Database.AUDIT, autocommit=True) as auditor:
        _tell(auditor, new, plan.anchor)
        _await(auditor, new, wait)
        with databases.connect(retention_url, Database.AUDIT, autocommit=True) as retention:
            for step in new:
                _set_checkpoint(retention, step)
            return _remove(auditor, retention, plan.steps, report)


def _tell(auditor: psycopg.Connection[Any], steps: Sequence[Step], anchor: int) -> None:
    """In each trail and in the installation's, all or none."""
    untold = [step for step in steps if _told(auditor, [step]) == 0]
    if not untold:
        return
    alias = settings.TENANT_DB_ALIAS
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        for step in untold:
            tenant = str(step.tenant_id)
            recording.record_update(
                cursor,
                table=ENTITY,
                record_id=tenant,
                old={"pruned_up_to": step.pruned},
                new={
                    "tenant_id": tenant,
                    "pruned_up_to": step.up_to,
                    "kept_from": step.kept_from.isoformat(),
                    "anchor": anchor,
                },
            )
        recording.record_update(
            cursor,
            table=ENTITY,
            record_id="all",
            old={},
            new={"trails": len(untold), "entries": sum(step.entries for step in untold)},
        )


def _told(auditor: psycopg.Connection[Any], steps: Sequence[Step]) -> int:
    row = auditor.execute(
        _TOLD, [[step.tenant_id for step in steps], [step.up_to for step in steps], ENTITY]
    ).fetchone()
    return int(row[0]) if row else 0


def _await(auditor: psycopg.Connection[Any], steps: Sequence[Step], wait: float) -> None:
    deadline = time.monotonic() + wait
    while _told(auditor, steps) < len(steps):
        if time.monotonic() >= deadline:
            raise RetentionPendingError(
                "What tells of the removal is not in the audit database yet. See that"
                " `manage.py audit relay` runs, then prune again; nothing was removed."
            )
        time.sleep(_PAUSE)


def _set_checkpoint(retention: psycopg.Connection[Any], step: Step) -> None:
    try:
        retention.execute("SELECT audit.set_checkpoint(%s, %s)", [step.tenant_id, step.up_to])
    except psycopg.errors.CheckViolation as error:
        raise RetentionRefusedError(f"The audit database refuses: {explain(error)}") from error


def _remove(
    auditor: psycopg.Connection[Any],
    retention: psycopg.Connection[Any],
    steps: Sequence[Step],
    report: Report,
) -> list[str]:
    if not steps:
        return []
    total = sum(step.entries for step in steps)
    latest = max(step.kept_from for step in steps)
    months = [row[0] for row in auditor.execute(_MONTHS, [latest])]
    deadline = time.monotonic() + _LOCK_SECONDS
    dropped = [month for month in months if _drop(retention, month, deadline)]
    done = 0
    for step in steps:
        _delete(retention, step.tenant_id)
        done += step.entries
        if total:
            report(done, total)
    return dropped


def _drop(retention: psycopg.Connection[Any], month: str, deadline: float) -> bool:
    """A month that somebody reads for long is left to `_delete`: nobody may wait behind us."""
    while True:
        try:
            row = retention.execute("SELECT audit.drop_pruned_month(%s)", [month]).fetchone()
            return row == (True,)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE)


def _delete(retention: psycopg.Connection[Any], tenant_id: UUID) -> None:
    while True:
        row = retention.execute(
            "SELECT audit.delete_pruned(%s, %s)", [tenant_id, _AT_ONCE]
        ).fetchone()
        if row == (0,):
            return
