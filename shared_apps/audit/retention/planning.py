"""What of each trail may go: old enough, not held, and proven by anchors to be what was written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit.anchors import comparing
from shared_apps.audit.anchors.comparing import Comparison
from shared_apps.audit.anchors.reading import Reader
from shared_apps.audit.chain import verifying
from shared_apps.audit.chain.verifying import Report, Verdict
from shared_apps.core import databases
from shared_apps.core.databases import Database

# The stricter of what is asked for and what the tenant's trail is kept for; the first entry that stays.
_LIMITS = """
SELECT t.tenant_id, r.hold, l.kept_from, (
    SELECT e.sequence FROM audit.entry e
    WHERE e.tenant_id = t.tenant_id AND e.created_at >= l.kept_from AND e.sequence > coalesce(c.sequence, 0)
    ORDER BY e.sequence LIMIT 1),
    EXISTS (SELECT FROM audit.entry e WHERE e.tenant_id = t.tenant_id AND e.sequence <= c.sequence)
FROM unnest(%(tenants)s::uuid[]) t (tenant_id)
LEFT JOIN audit.retention r USING (tenant_id)
LEFT JOIN audit.checkpoint c USING (tenant_id)
CROSS JOIN LATERAL (SELECT least(
    coalesce(%(before)s::timestamptz, %(now)s::timestamptz - %(older_than)s::interval, %(now)s::timestamptz - r.keep),
    %(now)s::timestamptz - r.keep,
    %(now)s::timestamptz - (SELECT minimum_age FROM audit.retention_limit)) AS kept_from,
    coalesce(%(before)s::text, %(older_than)s::text, r.keep::text) AS asked) l
WHERE l.asked IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """All None: what each tenant's own setting says."""

    before: datetime | None
    older_than: str | None
    """An interval of PostgreSQL's."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """A trail whose entries up to `up_to` go; `up_to` equals `pruned` where only leftovers of the last time do."""

    tenant_id: UUID
    pruned: int
    up_to: int
    kept_from: datetime

    @property
    def entries(self) -> int:
        return self.up_to - self.pruned


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    refused: dict[UUID, str]
    """Trails that stay as they are, though they are old enough, and why."""
    anchor: int
    """The newest anchor that the trails were compared with."""


def plan(
    *,
    url: str,
    reader: Reader,
    tenants: Sequence[UUID] | None,
    asked: Asked,
    jobs: int,
    report: Report = lambda done, total: None,
) -> Plan:
    """Follow the chains and compare them with their anchors, and only then look how old they are.

    Raises:
        psycopg.Error: the audit database does not answer, or the login may not read all of it.
    """
    compared = comparing.compare(url=url, reader=reader, tenants=tenants)
    verdicts = {
        verdict.tenant_id: verdict
        for verdict in verifying.verify(url=url, tenants=tenants, jobs=jobs, report=report)
    }
    steps: list[Step] = []
    refused: dict[UUID, str] = {}
    with databases.connect(url, Database.AUDIT, autocommit=True) as connection:
        for tenant_id, hold, kept_from, first_kept, has_leftovers in _limits(
            connection, list(verdicts), asked
        ):
            verdict = verdicts[tenant_id]
            old = (first_kept or verdict.sequence + 1) - 1
            up_to = max(min(old, compared.proven.get(tenant_id, 0)), verdict.pruned)
            if old <= verdict.pruned and not has_leftovers:
                continue
            reason = _why_not(verdict, compared, hold, is_anchored=up_to > verdict.pruned)
            if reason and not (has_leftovers and old <= verdict.pruned):
                refused[tenant_id] = reason
            if has_leftovers or not reason:
                steps.append(
                    Step(tenant_id, verdict.pruned, verdict.pruned if reason else up_to, kept_from)
                )
    return Plan(tuple(steps), refused, compared.last.counter if compared.last else 0)


def _limits(
    connection: psycopg.Connection[Any], tenants: list[UUID], asked: Asked
) -> list[tuple[Any, ...]]:
    values: Mapping[str, Any] = {
        "tenants": tenants,
        "before": asked.before,
        "older_than": asked.older_than,
        "now": asked.now,
    }
    return connection.execute(_LIMITS, values).fetchall()


def _why_not(
    verdict: Verdict, compared: Comparison, hold: str | None, *, is_anchored: bool
) -> str | None:
    if hold is not None:
        return f"held: {hold}"
    problems = [*verdict.problems, *compared.problems.get(verdict.tenant_id, [])]
    if problems:
        return f"not whole: {problems[0].numbers} {problems[0].kind}"
    if compared.of_anchors:
        return f"the anchors are not whole: {compared.of_anchors[0]}"
    return None if is_anchored else "no anchor tells of its old entries"
