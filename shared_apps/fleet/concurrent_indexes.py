"""CREATE INDEX CONCURRENTLY that can be run again: a failed one leaves an invalid index of its name."""

import re

from django.db import connections
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

_CREATE = re.compile(
    r'\s*CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?("(?:[^"]|"")+"|\w+)',
    re.IGNORECASE,
)
_DROP = re.compile(
    r'\s*DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?("(?:[^"]|"")+"|\w+)', re.IGNORECASE
)


def is_there(identity: TenantIdentity, statement: str) -> bool:
    """Whether an earlier attempt has done this statement; the invalid index of a failed one is dropped.

    Other statements than those about one index concurrently are never there.
    """
    create, drop = _CREATE.match(statement), _DROP.match(statement)
    if create is not None:
        return _drop_unless_valid(identity, _name(create.group(1)))
    if drop is not None:
        return _validity(identity, _name(drop.group(1))) is None
    return False


def _drop_unless_valid(identity: TenantIdentity, name: str) -> bool:
    is_valid = _validity(identity, name)
    if is_valid is False:
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            cursor.execute(
                sql.SQL("DROP INDEX CONCURRENTLY {}").format(sql.Identifier(identity.schema, name))
            )
    return bool(is_valid)


def _validity(identity: TenantIdentity, name: str) -> bool | None:
    """None: there is no such index."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s",
            [identity.schema, name],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def _name(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"') if quoted.startswith('"') else quoted.lower()
