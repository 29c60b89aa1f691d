"""Audited tables that a test makes in both tenants, and what their outboxes then hold."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import sql

from shared_apps.audit import triggers
from shared_apps.audit.triggers import AuditedTable
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import grants
from shared_apps.fleet.catalogue.relations import Relations
from tests.installation import Installation

Execute = Callable[..., list[tuple[Any, ...]]]


class Entry(NamedTuple):
    """What the outbox says of one change; numbers with a point are strings, as the trail reads them."""

    table: str
    operation: str
    record_id: str | None
    old: dict[str, Any] | None
    new: dict[str, Any] | None


def take(system: Installation, tenant: TenantIdentity) -> list[Entry]:
    """The entries of an outbox in their order, which is emptied."""
    query = sql.SQL(
        "WITH taken AS (DELETE FROM {} RETURNING *)"
        " SELECT table_name, operation, record_id, old_values::text, new_values::text"
        " FROM taken ORDER BY id"
    ).format(sql.Identifier(tenant.schema, "audit_outbox"))
    with system.owner() as owner:
        rows = owner.execute(query).fetchall()
    return [Entry(*row[:3], _values(row[3]), _values(row[4])) for row in rows]


def _values(text: str | None) -> dict[str, Any] | None:
    return None if text is None else json.loads(text, parse_float=str)


@contextmanager
def tables(
    system: Installation,
    *tenants: TenantIdentity,
    make: str,
    audited: Sequence[AuditedTable],
) -> Iterator[None]:
    """Run `make` as the owner in each tenant's schema; tables and functions are dropped afterwards."""
    known = {tenant.id: _functions(system, tenant) for tenant in tenants}
    try:
        for tenant in tenants:
            with system.owner() as owner:
                owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(tenant.schema)))
                owner.execute(make)  # type: ignore[call-overload]  # a test's own text
            seal(tenant, audited)
        yield
    finally:
        names = [table.name for table in audited]
        for tenant in tenants:
            with system.owner() as owner:
                for name in names:
                    owner.execute(
                        sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(
                            sql.Identifier(tenant.schema, name)
                        )
                    )
                for function in _functions(system, tenant) - known[tenant.id]:
                    owner.execute(f"DROP ROUTINE IF EXISTS {function} CASCADE")  # type: ignore[call-overload]  # as PostgreSQL quotes it
                owner.execute(
                    sql.SQL("DELETE FROM {}").format(sql.Identifier(tenant.schema, "audit_outbox"))
                )


def _functions(system: Installation, tenant: TenantIdentity) -> set[str]:
    query = "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = %s::regnamespace"
    with system.owner() as owner:
        return {row[0] for row in owner.execute(query, [tenant.schema])}


def seal(tenant: TenantIdentity, audited: Sequence[AuditedTable]) -> list[str]:
    """Triggers and rights, as a migration ends with them; returns the tables whose triggers changed."""
    alias = settings.TENANT_DB_ALIAS
    with context.tenant(tenant), connections[alias].cursor() as cursor:
        changed = triggers.ensure(cursor, schema=tenant.schema, wanted=audited)
        for statement in grants.tenant_schema(Relations.of(cursor, tenant.schema), tenant.role):
            cursor.execute(statement)
    return changed


@contextmanager
def as_tenant(tenant: TenantIdentity, **options: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the application's login that has become the tenant's role.

    `options` are set as the session's own before.
    """
    database = settings.DATABASES["default"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"], autocommit=True,
    ) as connection:  # fmt: skip
        for name, value in options.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(tenant.schema)))
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(tenant.role)))
        yield connection
