"""Whether every change of every tenant is recorded: triggers, capture functions and outboxes as they should be."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, connections, transaction

from shared_apps.audit import catalogue, triggers
from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.core.errors import explain

SHARED_SCHEMA = "public"
REPAIR = "manage.py audit status --repair"
# How long a repair waits for somebody's transaction on a table, which it would otherwise hold up with all
# who come after.
_LOCK_TIMEOUT = "3s"


@dataclass(frozen=True, slots=True)
class Gap:
    """Through which a change could go unrecorded."""

    tenant: str
    """Its slug; empty: the shared schema."""
    schema: str
    table: str
    problem: str

    def __str__(self) -> str:
        return f"{self.tenant or 'shared schema'}: {self.table}: {self.problem}"

    @property
    def remedy(self) -> str:
        return _MIGRATE if self.problem.endswith((catalogue.OTHER_POLICY, _KEYLESS)) else REPAIR


_MIGRATE = "manage.py fleet migrate"
_KEYLESS = "has no primary key"


def find_gaps() -> list[Gap]:
    """Of the shared schema and of all tenants that have been served, by the same few queries however many.

    Provisioning looks itself before a new one is served.
    """
    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_tenant') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(
            "SELECT t.schema_name, t.slug FROM public.tenants_tenant t"
            " JOIN pg_namespace n ON n.nspname = t.schema_name"
            " WHERE t.state IN ('ACTIVE', 'SUSPENDED', 'ARCHIVED') ORDER BY t.slug"
        )
        tenants = dict(cursor.fetchall())
        return [
            *_find(cursor, {SHARED_SCHEMA: ""}, shared=True),
            *_find(cursor, tenants, shared=False),
        ]


def _find(cursor: Any, names: dict[str, str], *, shared: bool) -> Iterator[Gap]:
    schemas = list(names)
    wanted = triggers.tables(shared=shared)
    for schema, subject, problem in catalogue.find_wrong_outboxes(
        cursor, schemas=schemas, is_on_node=triggers.is_on_node(shared=shared)
    ):
        yield Gap(names[schema], schema, subject, problem)
    for found in catalogue.find_wrong_triggers(
        cursor, schemas=schemas, arguments={table.name: table.arguments for table in wanted}
    ):
        table = found.table if found.table_schema == found.schema else found.qualified
        problem = f"the trigger for {found.event} {found.problem}"
        yield Gap(names[found.schema], found.schema, table, problem)
    tables = [table.name for table in wanted]
    for schema, name in catalogue.find_keyless(cursor, schemas=schemas, tables=tables):
        yield Gap(names[schema], schema, name, _KEYLESS)


@dataclass(frozen=True, slots=True)
class Repaired:
    schema: str
    tables: list[str]
    error: str = ""


def repair(gaps: Sequence[Gap], *, report: Callable[[int, int], None]) -> list[Repaired]:
    """Install what is missing as the owner of the tables, a schema in a transaction.

    What waits for a migration is left to it. One schema that fails does not keep others from being mended.
    """
    schemas = dict.fromkeys(gap.schema for gap in gaps if gap.remedy == REPAIR)
    done: list[Repaired] = []
    for schema in schemas:
        done.append(_repair(schema))
        report(len(done), len(schemas))
    return done


def _repair(schema: str) -> Repaired:
    alias = settings.TENANT_DB_ALIAS
    try:
        with (
            context.operator(),
            transaction.atomic(using=alias),
            connections[alias].cursor() as cursor,
        ):
            cursor.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'")
            changed = triggers.install(cursor, schema=schema, shared=schema == SHARED_SCHEMA)
            return Repaired(schema, changed)
    except Exception as error:
        return Repaired(schema, [], explain(error))


def examine() -> Iterable[Finding]:
    """For the doctor."""
    for gap in find_gaps():
        yield Finding(f"{gap.tenant or 'shared schema'}: {gap.table}", gap.problem, gap.remedy)


def check_database(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """For `manage.py check --database default`."""
    if "default" not in (databases or ()):
        return []
    try:
        gaps = find_gaps()
    except ImproperlyConfigured:
        return []  # the check of the way to PostgreSQL itself says so (tenants/checks.py)
    return [checks.Error(str(gap), hint=gap.remedy, id="audit.E010") for gap in gaps]
