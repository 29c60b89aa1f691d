"""Figures of the fleet's migrations and of the spare schemas."""

from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS, connections

from shared_apps.core import context
from shared_apps.core.metrics import stored
from shared_apps.core.metrics.stored import Family, Sample
from shared_apps.fleet import readiness, selectors

_BEHIND = Family(
    "freehold_fleet_tenants_behind", "Tenants that are at another version than this code."
)
_FAILED = Family("freehold_fleet_tenants_failed", "Tenants whose last migration failed.")
_SHARED = Family(
    "freehold_fleet_shared_schema_behind", "1 while the shared schema lacks a migration."
)
_SPARES = Family("freehold_fleet_spare_schemas", "Schemas that are kept ready for new tenants.")
_QUERY = """
    SELECT count(*) FILTER (WHERE v.fingerprint IS DISTINCT FROM %s OR v.is_between),
           count(*) FILTER (WHERE v.error <> ''),
           (SELECT count(*) FROM public.fleet_spareschema)
    FROM public.tenants_tenant t
    LEFT JOIN public.fleet_schemaversion v ON v.schema_name = t.schema_name
    WHERE t.state IN ('ACTIVE', 'SUSPENDED', 'ARCHIVED')
"""


def register() -> None:
    stored.register("fleet", _BEHIND, _FAILED, _SHARED, _SPARES, ask=_count)


def _count() -> Iterator[Sample]:
    is_behind = readiness.ask_shared_schema() == "behind"
    with context.operator(), connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(_QUERY, [selectors.get_target().fingerprint])
        behind, failed, spares = cursor.fetchone()
    yield Sample(_BEHIND.name, behind)
    yield Sample(_FAILED.name, failed)
    yield Sample(_SHARED.name, float(is_behind))
    yield Sample(_SPARES.name, spares)
