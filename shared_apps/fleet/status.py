"""Where the fleet is: from one query over the ledger, or from every schema's own rows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from psycopg import sql

from shared_apps.core import context
from shared_apps.fleet import locks, selectors
from shared_apps.fleet.history import History, name_of
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SchemaTemplate
from shared_apps.fleet.selectors import Member
from shared_apps.fleet.spares import pool

_BATCH = 100  # schemas in one query, which locks a table of each

_STATUS = """
    WITH members AS (
        SELECT t.slug, t.state, coalesce(v.fingerprint, '') AS fingerprint,
               coalesce(v.is_between, false) AS is_between, coalesce(v.error, '') AS error
        FROM public.tenants_tenant t
        JOIN pg_namespace n ON n.nspname = t.schema_name
        LEFT JOIN public.fleet_schemaversion v ON v.schema_name = t.schema_name
        WHERE t.state <> 'DELETED'
    ), last_run AS (
        SELECT r.id::text, r.state, r.planned, r.note, r.started_at, r.finished_at,
               (SELECT count(*) FROM public.fleet_outcome o WHERE o.run_id = r.id AND o.state = 'DONE') AS done,
               (SELECT count(*) FROM public.fleet_outcome o WHERE o.run_id = r.id AND o.state = 'FAILED') AS failed
        FROM public.fleet_run r ORDER BY r.started_at DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM members),
           (SELECT coalesce(jsonb_agg(jsonb_build_array(slug, is_between, error) ORDER BY slug), '[]')
            FROM members WHERE fingerprint <> %s OR is_between),
           (SELECT to_jsonb(last_run) FROM last_run)
"""


@dataclass(frozen=True, slots=True)
class Behind:
    """A tenant that is not at this code's version."""

    slug: str
    is_between: bool
    error: str

    def describe(self) -> str:
        where = "half-way to another version" if self.is_between else "at another version"
        return f"{where}, the last attempt failed: {self.error}" if self.error else where


@dataclass(frozen=True, slots=True)
class LastRun:
    id: str
    state: str
    planned: int
    note: str
    started_at: datetime
    finished_at: datetime | None
    done: int
    failed: int

    def describe(self) -> str:
        note = f" ({self.note})" if self.note else ""
        return (
            f"{self.state.lower()}{note}, {self.done} of {self.planned} tenants migrated,"
            f" {self.failed} failed, started {self.started_at}"
        )


@dataclass(frozen=True, slots=True)
class Status:
    total: int
    current: int
    behind: list[Behind]
    last_run: LastRun | None
    spares: int
    """Schemas that wait for new tenants."""


def get_status() -> Status:
    target = selectors.get_target()
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(_STATUS, [target.fingerprint])
        total, rows, last_run = cursor.fetchone()
    spares = len(pool.look().ready)
    behind = [Behind(*row) for row in _decoded(rows)]
    run = _decoded(last_run)
    return Status(total, total - len(behind), behind, LastRun(**run) if run else None, spares)


def _decoded(value: Any) -> Any:
    """Django leaves jsonb as text."""
    return json.loads(value) if isinstance(value, str) else value


def verify() -> list[str]:
    """Compare the ledger with what each schema's own rows say, which wins; the slugs that were corrected.

    A schema whose rows are not those of the fingerprint that the ledger names is put down as unknown, so
    that the next run looks at it.
    """
    members = selectors.list_members()
    with context.operator():
        wanted = {
            template.fingerprint: set(template.migrations)
            for template in SchemaTemplate.objects.using(MIGRATION_ALIAS).defer("script")
        }
    wrong = [
        member
        for start in range(0, len(members), _BATCH)
        for member, rows in list_own_rows(members[start : start + _BATCH])
        if member.fingerprint and not member.is_between and wanted.get(member.fingerprint) != rows
    ]
    for member in wrong:
        with (
            context.operator(),
            locks.schema(member.identity.schema),
            connections[MIGRATION_ALIAS].cursor() as cursor,
        ):
            cursor.execute(
                "UPDATE public.fleet_schemaversion SET fingerprint = '', changed_at = now()"
                " WHERE schema_name = %s AND fingerprint = %s",
                [member.identity.schema, member.fingerprint],
            )
    return [member.identity.slug for member in wrong]


def list_own_rows(members: list[Member]) -> list[tuple[Member, set[str]]]:
    """What the schemas' own tables say, of the apps that tenants have."""
    labels = History().labels
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT n.nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
            " AND c.relname = 'django_migrations' WHERE n.nspname = ANY(%s)",
            [[member.identity.schema for member in members]],
        )
        readable = {row[0] for row in cursor.fetchall()}
        known = [member for member in members if member.identity.schema in readable]
        rows: dict[str, set[str]] = {member.identity.schema: set() for member in members}
        if known:
            union = sql.SQL(" UNION ALL ").join(
                sql.SQL("SELECT {}, app, name FROM {}").format(
                    sql.Literal(member.identity.schema),
                    sql.Identifier(member.identity.schema, "django_migrations"),
                )
                for member in known
            )
            cursor.execute(union)
            for schema, app, name in cursor.fetchall():
                if app in labels:
                    rows[schema].add(name_of((app, name)))
    return [(member, rows[member.identity.schema]) for member in members]
