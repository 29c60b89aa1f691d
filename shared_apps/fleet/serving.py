"""Whether this release's code can serve every schema as it stands now: asked before a rollback, and before an upgrade.

A schema that is ahead was migrated by a newer release, whose migrations this one cannot read. So the
catalogue is asked for what this code uses: each table and column, its type, and columns that its INSERTs
do not know of. Schemas that the ledger knows to be at this code's version are not looked into.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from django.apps import apps
from django.db import connections
from django.db.models import Field, Model

from shared_apps.core import context
from shared_apps.fleet import replay, sealing, selectors, status
from shared_apps.fleet.history import (
    History,
    Node,
    all_labels,
    name_of,
    shared_labels,
    tenant_labels,
)
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

_SHOWN = 5
_BEHIND = "run `manage.py fleet migrate` with this release, or keep the release that serves it"
_TOO_FAR = "keep the newer release, or restore the backup that was made before its migration"


@dataclass(frozen=True, slots=True)
class Unservable:
    """A schema that this code cannot serve. `tenant` is None for the shared one."""

    tenant: str | None
    schema: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.tenant or 'the shared schema'}: {self.problem} → {self.remedy}"


@dataclass(frozen=True, slots=True)
class Judged:
    tenants: int
    ahead: int
    """Of them and of the shared schema: migrated by a newer release."""
    unservable: tuple[Unservable, ...]


def judge() -> Judged:
    """Look at the shared schema and at every tenant that has one; changes nothing."""
    found: list[Unservable] = []
    with context.operator():
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            applied = replay.applied_in(cursor, sealing.SHARED_SCHEMA)
        ahead: dict[str, str | None] = {}
        _sort(None, sealing.SHARED_SCHEMA, applied, shared_labels(), found, ahead)
        members = selectors.list_members()
        elsewhere = [
            member
            for member in members
            if member.is_between or member.fingerprint != selectors.get_target().fingerprint
        ]
        for member, names in status.list_own_rows(elsewhere):
            nodes = {(app, name) for app, _, name in (text.partition(".") for text in names)}
            _sort(
                member.identity.slug, member.identity.schema, nodes, tenant_labels(), found, ahead
            )
        found += _misfits(ahead)
    return Judged(len(members), len(ahead), tuple(found))


def _sort(
    tenant: str | None,
    schema: str,
    applied: Iterable[Node],
    labels: set[str],
    found: list[Unservable],
    ahead: dict[str, str | None],
) -> None:
    history = History(applied, labels=labels)
    if history.missing:
        names = ", ".join(map(name_of, history.missing[:_SHOWN]))
        more = len(history.missing) - _SHOWN
        rest = f" and {more} more" if more > 0 else ""
        found.append(Unservable(tenant, schema, f"lacks {names}{rest}", _BEHIND))
    elif {node for node in history.given if node[0] in labels} - set(history.wanted):
        # Also what an old squash has replaced: looking once more than needed does no harm.
        ahead[schema] = tenant


@dataclass(frozen=True)
class _Expected:
    """The columns that this code's models have, as parallel lists."""

    labels: frozenset[str]

    @cached_property
    def _fields(self) -> list[tuple[type[Model], Field]]:  # type: ignore[type-arg]  # any field
        return [
            (model, field)
            for model in apps.get_models(include_auto_created=True)
            if model._meta.app_label in self.labels
            and model._meta.managed
            and not model._meta.proxy
            for field in model._meta.local_concrete_fields
        ]

    @property
    def rows(self) -> tuple[list[str], list[str], list[str]]:
        connection = connections[MIGRATION_ALIAS]
        tables, columns, types = [], [], []
        for model, field in self._fields:
            kind = field.db_type(connection)
            if kind is not None and field.column:
                tables.append(model._meta.db_table)
                columns.append(field.column)
                types.append(kind)
        return tables, columns, types


# A wider type takes what the former did; one that only PostgreSQL tells apart is none of this code's business.
_MISFITS = """
WITH expected AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) AS e (relation, attribute, kind)
), schemas AS (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY(%s)),
actual AS (
    SELECT s.nspname, c.relname, a.attname, a.atttypid, a.attnotnull AND NOT a.atthasdef
           AND a.attidentity = '' AND a.attgenerated = '' AS is_demanded
    FROM schemas s JOIN pg_class c ON c.relnamespace = s.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
)
SELECT s.nspname, e.relation, e.attribute, 'is missing'
FROM schemas s CROSS JOIN expected e
LEFT JOIN actual a ON a.nspname = s.nspname AND a.relname = e.relation AND a.attname = e.attribute
WHERE a.attname IS NULL
UNION ALL
SELECT a.nspname, e.relation, e.attribute, format('is %%s instead of %%s', a.atttypid::regtype, e.kind)
FROM expected e JOIN actual a ON a.relname = e.relation AND a.attname = e.attribute
WHERE a.atttypid <> coalesce(to_regtype(e.kind)::oid, a.atttypid)
  AND (to_regtype(e.kind)::text, a.atttypid::regtype::text) NOT IN (
      ('smallint', 'integer'), ('smallint', 'bigint'), ('integer', 'bigint'), ('character varying', 'text'))
UNION ALL
SELECT a.nspname, a.relname, a.attname, 'must be given and is not known to this release'
FROM actual a WHERE a.is_demanded AND a.relname IN (SELECT relation FROM expected)
  AND NOT EXISTS (SELECT FROM expected e WHERE e.relation = a.relname AND e.attribute = a.attname)
ORDER BY 1, 2, 3
"""


def _misfits(ahead: dict[str, str | None]) -> Iterator[Unservable]:
    shared = {schema: tenant for schema, tenant in ahead.items() if tenant is None}
    tenants = {schema: tenant for schema, tenant in ahead.items() if tenant is not None}
    for schemas, labels in ((shared, shared_labels()), (tenants, tenant_labels())):
        if not schemas:
            continue
        expected = _Expected(frozenset(labels & all_labels()))
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute(_MISFITS, [*expected.rows, list(schemas)])
            rows = cursor.fetchall()
        by_schema: dict[str, list[str]] = {}
        for schema, relation, attribute, problem in rows:
            by_schema.setdefault(schema, []).append(f"{relation}.{attribute} {problem}")
        for schema, problems in by_schema.items():
            more = f" and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
            yield Unservable(
                schemas[schema], schema, f"{'; '.join(problems[:_SHOWN])}{more}", _TOO_FAR
            )
