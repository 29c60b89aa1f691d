"""Reads of the ledger. The one query about a thousand schemas is here."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import sealing
from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.errors import UnknownTenantError
from shared_apps.fleet.history import History, fingerprint_of
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.models import SchemaTemplate


@dataclass(frozen=True, slots=True)
class Target:
    """What the code wants every tenant's schema to be."""

    fingerprint: str
    migrations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Member:
    """A tenant that has a schema, and what the ledger knows of it."""

    identity: TenantIdentity
    state: str
    fingerprint: str
    is_between: bool
    """Some of a newer code's migrations have been applied, not all."""
    error: str


def get_target() -> Target:
    """Computed once in a process: code does not change while it runs."""
    modules = tuple(sorted((getattr(settings, "MIGRATION_MODULES", None) or {}).items()))
    return _target(tuple(settings.TENANT_APPS), modules, settings.DATABASE_SHARDING)


@lru_cache(maxsize=4)
def _target(
    apps: tuple[str, ...], modules: tuple[tuple[str, str | None], ...], sharding: str
) -> Target:
    del apps, modules, sharding  # what the answer depends on
    history = History()
    return Target(fingerprint_of(history, sealing.describe()), tuple(history.wanted))


_MEMBERS = """
    SELECT t.id, t.slug, t.schema_name, t.role_name, t.state,
           coalesce(v.fingerprint, ''),
           coalesce(v.is_between, false), coalesce(v.error, '')
    FROM public.tenants_tenant t
    JOIN pg_namespace n ON n.nspname = t.schema_name
    LEFT JOIN public.fleet_schemaversion v ON v.schema_name = t.schema_name
    WHERE t.state <> 'DELETED'
"""


def list_members(*, not_at: str | None = None, slug: str | None = None) -> list[Member]:
    """The tenants that have a schema; with `not_at` only those that are at another fingerprint.

    Raises:
        UnknownTenantError: `slug` names none.
    """
    conditions, parameters = "", []
    if not_at is not None:
        conditions += " AND (v.fingerprint IS DISTINCT FROM %s OR v.is_between)"
        parameters.append(not_at)
    if slug is not None:
        conditions += " AND t.slug = %s"
        parameters.append(slug)
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(_MEMBERS + conditions + " ORDER BY t.slug", parameters)
        found = [_member(row) for row in cursor.fetchall()]
    if slug is not None and not found and not (not_at is not None and list_members(slug=slug)):
        raise UnknownTenantError(slug=slug)
    return found


def _member(row: tuple[Any, ...]) -> Member:
    identity = TenantIdentity(id=row[0], slug=row[1], schema=row[2], role=row[3])
    return Member(
        identity=identity, state=row[4], fingerprint=row[5], is_between=row[6], error=row[7]
    )


def find_template(*, fingerprint: str) -> SchemaTemplate | None:
    with context.operator():
        return SchemaTemplate.objects.using(MIGRATION_ALIAS).filter(fingerprint=fingerprint).first()


def relations_of(cursor: Any, *, schema: str) -> Relations:
    """The tables and sequences of a schema, at the same cost however many other tenants there are."""
    return Relations.of(cursor, schema)
