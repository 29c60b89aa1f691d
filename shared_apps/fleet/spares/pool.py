"""What spares there are, and which of them are of use to this code."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import selectors
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SpareSchema
from shared_apps.fleet.spares import claiming, stamps

BEING_DROPPED = "being dropped"
NOT_DROPPED = "cannot be dropped"
STALE = "made for another version"


@dataclass(frozen=True, slots=True)
class Found:
    schema: str
    problem: str
    """Why it is of no use; empty for one that is ready."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Pool:
    spares: tuple[Found, ...]
    """The oldest first, which is claimed first."""

    @property
    def ready(self) -> list[Found]:
        return [spare for spare in self.spares if not spare.problem]

    @property
    def useless(self) -> list[Found]:
        return [spare for spare in self.spares if spare.problem]


def look(*, trusting: Container[str] = ()) -> Pool:
    """Every spare, held against the catalogue unless it was a moment ago."""
    target = selectors.get_target().fingerprint
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.fleet_spareschema') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return Pool(())  # this code is newer than the shared schema
        rows = SpareSchema.objects.using(MIGRATION_ALIAS).defer("adoption").order_by("created_at")
        return Pool(
            tuple(
                Found(row.schema_name, _problem(cursor, row, target, trusting), row.created_at)
                for row in rows
            )
        )


def _problem(cursor: Any, row: SpareSchema, target: str, trusting: Container[str]) -> str:
    if row.problem:
        return row.problem
    if row.fingerprint != target:
        return STALE
    if row.schema_name in trusting:
        return ""
    role = claiming.role_of(row.schema_name)
    stamp = stamps.take(cursor, schema=row.schema_name, role=role)
    return "" if stamp == row.stamp else claiming.CHANGED
