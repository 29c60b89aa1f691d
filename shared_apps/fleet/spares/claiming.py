"""A spare becomes a tenant's schema: renamed, in the transaction that takes it out of the pool.

A process that is killed leaves a spare or a tenant's schema, and nothing in between.
"""

import logging
from dataclasses import dataclass
from typing import Any

from django.db import Error, connections, transaction
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from shared_apps.core.errors import explain
from shared_apps.fleet import replay, roles
from shared_apps.fleet.catalogue import script
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.spares import stamps
from shared_apps.tenants import names

logger = logging.getLogger(__name__)

CHANGED = "changed since it was made"

# Whoever is a moment later passes over the row. A schema or a role of the tenant's, whatever its state,
# is left to the template.
_TAKE = """
    SELECT s.schema_name, s.adoption, s.stamp FROM public.fleet_spareschema s
    WHERE s.fingerprint = %(fingerprint)s AND s.problem = ''
      AND NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = %(schema)s)
      AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %(role)s)
    ORDER BY s.created_at LIMIT 1 FOR UPDATE OF s SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Spare:
    schema: str
    adoption: str
    stamp: str

    @property
    def role(self) -> str:
        return role_of(self.schema)


def role_of(spare: str) -> str:
    return names.role_of(spare, database=roles.database_name())


def claim(identity: TenantIdentity, *, fingerprint: str) -> bool:
    """Make a spare the tenant's schema; False: there is none that fits, and nothing was changed.

    In the operator's context, with the lock on the tenant's schema.
    """
    while True:
        spare: Spare | None = None
        try:
            with (
                transaction.atomic(using=MIGRATION_ALIAS),
                connections[MIGRATION_ALIAS].cursor() as cursor,
            ):
                spare = _take(cursor, identity, fingerprint)
                if spare is None:
                    return False
                if stamps.take(cursor, schema=spare.schema, role=spare.role) == spare.stamp:
                    entry = replay.ledger_entry(identity.schema, fingerprint)
                    adopt(cursor, spare, identity, entry, _leaving(spare.schema))
                    return True
            set_aside(spare.schema, CHANGED)
        except Error as error:
            # The template needs nothing of what failed here.
            logger.exception("A spare schema could not be claimed")
            if spare is not None:
                set_aside(spare.schema, explain(error))
            return False


def adopt(cursor: Any, spare: Spare, identity: TenantIdentity, *also: sql.Composed) -> None:
    """Give a spare a tenant's name and role, in one message. Rights follow the role, rows the schema."""
    words = {
        "spare": sql.Identifier(spare.schema),
        "schema": sql.Identifier(identity.schema),
        "spare_role": sql.Identifier(spare.role),
        "role": sql.Identifier(identity.role),
    }
    renaming = [
        sql.SQL("ALTER SCHEMA {spare} RENAME TO {schema}").format(**words),
        sql.SQL("ALTER ROLE {spare_role} RENAME TO {role}").format(**words),
        sql.SQL("SET LOCAL search_path = {schema}, public").format(**words),
    ]
    following = [*roles.memberships_of_a_tenant(cursor, identity.role), *also]
    statements = [
        *(part.as_string(None) for part in renaming),
        script.fill(spare.adoption, schema=identity.schema, role=identity.role),
        *(part.as_string(None) for part in following),
        # In the operator's context, so that nothing but this message has the tenant's path.
        "SET LOCAL search_path = public",
    ]
    cursor.execute(";\n".join(statements))


def set_aside(spare: str, problem: str) -> None:
    """Nobody claims it any more; the next filler drops it."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "UPDATE public.fleet_spareschema SET problem = %s WHERE schema_name = %s",
            [problem, spare],
        )


def _take(cursor: Any, identity: TenantIdentity, fingerprint: str) -> Spare | None:
    cursor.execute(
        _TAKE,
        {"fingerprint": fingerprint, "schema": identity.schema, "role": identity.role},
    )
    row = cursor.fetchone()
    return Spare(*row) if row else None


def _leaving(spare: str) -> sql.Composed:
    """Takes it out of the pool."""
    statement = sql.SQL("DELETE FROM public.fleet_spareschema WHERE schema_name = {}")
    return statement.format(sql.Literal(spare))
