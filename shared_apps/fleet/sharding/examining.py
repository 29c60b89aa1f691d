"""How the tenants' schemas stand to sharding: `manage.py fleet sharding` and the doctor."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connections

from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.fleet.sharding import cluster, rules
from shared_apps.fleet.sharding.rules import Violation


@dataclass(frozen=True, slots=True)
class Place:
    slug: str
    schema: str
    nodes: tuple[str, ...]
    """Empty: the schema is not distributed, or has no table yet."""


@dataclass(frozen=True, slots=True)
class Examination:
    version: str | None
    """Of Citus; None on plain PostgreSQL, where there are no nodes and places."""
    nodes: tuple[cluster.Node, ...]
    places: tuple[Place, ...]
    violations: tuple[Violation, ...]


def examine() -> Examination:
    """All tenants that have a schema, in a fixed number of queries."""
    with context.operator(), connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT t.slug, t.schema_name FROM public.tenants_tenant t"
            " JOIN pg_namespace n ON n.nspname = t.schema_name"
            " WHERE t.state <> 'DELETED' ORDER BY t.slug"
        )
        tenants = cursor.fetchall()
        schemas = [schema for _, schema in tenants]
        version = cluster.find_version(cursor)
        everywhere = cluster.list_reference_tables(cursor) if version else []
        homes = cluster.find_homes(cursor, schemas) if version else {}
        return Examination(
            version=version,
            nodes=tuple(cluster.list_nodes(cursor)) if version else (),
            places=tuple(
                Place(slug, schema, tuple(homes.get(schema, ())))
                for slug, schema in tenants
                if version
            ),
            violations=tuple(rules.find_violations(cursor, schemas, everywhere=everywhere)),
        )


def find_faults() -> Iterator[Finding]:
    """For the doctor, of an installation that is told to be sharded."""
    if settings.DATABASE_SHARDING != "citus":
        return
    found = examine()
    if found.version is None:
        yield Finding(
            "database",
            "DATABASE_SHARDING is citus, and it has no extension citus",
            "docs/scaling-citus.md",
        )
        return
    yield from _settings()
    for node in found.nodes:
        if not node.is_active:
            yield Finding(f"node {node}", "is not active", "SELECT citus_activate_node(…)")
    for place in found.places:
        if not place.nodes:
            yield Finding(
                f"tenant {place.slug}",
                f"its schema {place.schema} is not distributed",
                "export, delete and restore it (docs/scaling-citus.md)",
            )
        elif len(place.nodes) > 1:
            yield Finding(
                f"tenant {place.slug}",
                f"its tables are on {', '.join(place.nodes)}",
                f"manage.py tenant move {place.slug} --to {place.nodes[0]}",
            )
    for violation in found.violations:
        yield Finding(
            f"schema {violation.schema}",
            f"{violation.subject} {violation.problem}",
            "change it by a migration",
        )


def _settings() -> list[Finding]:
    """Without this setting the trail of a node would name nobody."""
    with context.operator(), connections["default"].cursor() as cursor:
        cursor.execute("SELECT current_setting('citus.propagate_set_commands', true)")
        is_local = cursor.fetchone() == ("local",)
    problem = "citus.propagate_set_commands is not local"
    return [] if is_local else [Finding("application login", problem, "manage.py install")]
