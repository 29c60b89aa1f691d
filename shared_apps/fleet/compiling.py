"""The plan for schemas of one kind, and the template that follows from it: made in a scratch schema.

The scratch schema and its role live in one transaction that is always rolled back, so nobody ever sees
them and nothing is left by whatever happens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connections, transaction
from django.db.migrations import Migration
from django.db.migrations.operations import RunSQL
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState
from psycopg import sql

from shared_apps.audit import triggers
from shared_apps.core import context
from shared_apps.fleet import grants, migration_login, roles
from shared_apps.fleet.catalogue import objects, script
from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.history import SEEDS_ATTRIBUTE, History, Step, name_of
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.recording import CompiledMigration, PythonCode, compile_migration
from shared_apps.tenants import names

_LOCK = "freehold.template"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The script of a template, or why there is none."""

    script: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What brings schemas of one kind to the state that the code wants."""

    migrations: tuple[CompiledMigration, ...]
    sealing: tuple[str, ...]
    """Triggers and rights, to be made in the transaction of the last migration."""
    recorded: tuple[tuple[str, str], ...]
    """Squashed migrations that are recorded without being run."""
    template: Rendered | None
    """What a schema then is; None if nobody asked."""

    @classmethod
    def empty(cls) -> "Plan":
        return cls((), (), (), None)

    @property
    def names(self) -> list[str]:
        return [name_of(migration.node) for migration in self.migrations]


def compile_plan(history: History, *, base: str | None, renders: bool) -> Plan:
    """Compile what `history` lacks; if it `renders`, also the template that follows.

    `base` is the script of a sealed schema that has exactly what `history` has applied; without one, that
    is made by running its migrations, and the plan seals everything anew.
    """
    with scratch() as (cursor, role):
        seeds = _Seeds(cursor)
        if base is not None:
            cursor.execute(script.fill(base, schema=script.SCHEMA, role=role))
            seeds.settle()
        else:
            MigrationRecorder(connections[MIGRATION_ALIAS]).ensure_schema()
        compiled: list[CompiledMigration] = []

        def run(step: Step, state: ProjectState) -> None:
            if step.is_applied and base is not None:
                step.migration.mutate_state(state, preserve=False)
                return
            if "apps" not in state.__dict__:
                _ = state.apps
            found = compile_migration(
                connections[MIGRATION_ALIAS], step.node, step.migration, state
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            seeds.look(step.migration, found)
            if not step.is_applied:
                compiled.append(found)

        for _ in history.walk(run):
            pass
        sealing = _seal(cursor, role)
        template = _render(cursor, role, history, seeds.refusal) if renders else None
        return Plan(tuple(compiled), tuple(sealing), tuple(history.newly_recorded), template)


@contextmanager
def scratch() -> Iterator[tuple[Any, str]]:
    """A cursor in an empty schema with a role of its own; whatever is done there is rolled back."""
    role = names.role_of(script.SCHEMA, database=roles.database_name())
    identity = context.TenantIdentity(id=UUID(int=0), slug="", schema=script.SCHEMA, role=role)
    with (
        context.tenant(identity),
        migration_login.alone(),
        transaction.atomic(using=MIGRATION_ALIAS),
    ):
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            hold_scratch_name(cursor)
            if settings.DATABASE_SHARDING == "citus":
                cursor.execute("SET LOCAL citus.enable_ddl_propagation = off")
            cursor.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
            cursor.execute(f"CREATE SCHEMA {script.SCHEMA}")
            yield cursor, role
        transaction.set_rollback(True, using=MIGRATION_ALIAS)


def hold_scratch_name(cursor: Any) -> None:
    """Until the transaction ends nobody else makes a scratch schema."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [_LOCK])


class _Noting:
    """A cursor that also writes down what changes something."""

    def __init__(self, cursor: Any, texts: list[str]) -> None:
        self._cursor = cursor
        self._texts = texts

    def execute(self, statement: Any, params: Any = None) -> None:
        self._cursor.execute(statement, params)
        if params is None:
            self._texts.append(statement.as_string(None))

    def fetchall(self) -> list[Any]:
        rows: list[Any] = self._cursor.fetchall()
        return rows


def _seal(cursor: Any, role: str) -> list[str]:
    """Triggers and rights; what the schema has already is not part of the answer."""
    texts: list[str] = []
    triggers.install(_Noting(cursor, texts), schema=script.SCHEMA, shared=False)
    before = _access_lists(cursor)
    statements = grants.tenant_schema(Relations.of(cursor, script.SCHEMA), role)
    for statement in statements:
        cursor.execute(statement)
    if _access_lists(cursor) != before:
        quoted = sql.Identifier(role).as_string(None)
        texts += [text.as_string(None).replace(quoted, script.ROLE) for text in statements]
    return texts


def _access_lists(cursor: Any) -> Any:
    """Who may do what in the scratch schema, in one value; the order in which it was granted does not count."""
    cursor.execute(
        """
        SELECT array_agg(concat_ws(' ', object, a.grantee, a.privilege_type, a.is_grantable)
                         ORDER BY object, a.grantee, a.privilege_type, a.is_grantable)
        FROM (
            SELECT relname::text AS object, relacl AS acl, relowner AS owner FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace
            UNION ALL
            SELECT c.relname || '.' || b.attname, b.attacl, c.relowner FROM pg_class c
            JOIN pg_attribute b ON b.attrelid = c.oid
            WHERE c.relnamespace = current_schema()::regnamespace AND b.attacl IS NOT NULL
            UNION ALL
            SELECT oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)), proowner FROM pg_proc
            WHERE pronamespace = current_schema()::regnamespace
            UNION ALL
            SELECT '', nspacl, nspowner FROM pg_namespace WHERE oid = current_schema()::regnamespace
        ) lists CROSS JOIN aclexplode(acl) a WHERE a.grantee <> owner
        """
    )
    return cursor.fetchone()[0]


def _render(cursor: Any, role: str, history: History, refusal: str) -> Rendered:
    """The script of the scratch schema, tried: what it makes must be equal, object by object."""
    if refusal:
        return Rendered("", refusal)
    original = objects.load(cursor, script.SCHEMA, role)
    written = script.write(cursor, role=role, applied=history.wanted)
    try:
        with transaction.atomic(using=MIGRATION_ALIAS):
            cursor.execute(f"DROP SCHEMA {script.SCHEMA} CASCADE; CREATE SCHEMA {script.SCHEMA}")
            cursor.execute(script.fill(written, schema=script.SCHEMA, role=role))
    except DatabaseError as error:
        return Rendered("", f"what was written as a script fails: {str(error).splitlines()[0]}")
    different = objects.load(cursor, script.SCHEMA, role) ^ original
    if different:
        kind, name, _ = sorted(different)[0]
        more = f" and {len(different) - 1} more" if len(different) > 1 else ""
        return Rendered("", f"the {kind} {name}{more} cannot be written as a script")
    return Rendered(written, "")


class _Seeds:
    """Rows that migrations leave in a new tenant's tables."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._counts: dict[str, int] = {}
        self.refusal = ""

    def settle(self) -> None:
        self._counts = self._count()

    def look(self, migration: Migration, compiled: CompiledMigration) -> None:
        """A migration that leaves rows must say that they may be the same everywhere."""
        may_write = any(isinstance(part, PythonCode) for part in compiled.parts) or any(
            isinstance(operation, RunSQL) for operation in migration.operations
        )
        if not may_write:
            return
        counts = self._count()
        if counts != self._counts and not getattr(migration, SEEDS_ATTRIBUTE, False):
            table = next(t for t in counts if counts[t] != self._counts.get(t, 0))
            self.refusal = self.refusal or (
                f"{name_of(compiled.node)} leaves rows in {table}: if they may be the same in every "
                f"tenant, keys and times included, say {SEEDS_ATTRIBUTE} = True on the migration"
            )
        self._counts = counts

    def _count(self) -> dict[str, int]:
        self._cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace"
            " AND relname NOT IN ('django_migrations', 'audit_outbox')"
        )
        tables = [row[0] for row in self._cursor.fetchall()]
        if not tables:
            return {}
        counts = sql.SQL(" UNION ALL ").join(
            sql.SQL("SELECT {}, count(*) FROM {}").format(sql.Literal(t), sql.Identifier(t))
            for t in tables
        )
        self._cursor.execute(counts)
        return {table: count for table, count in self._cursor.fetchall() if count}
