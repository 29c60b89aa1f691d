"""The roles of an installation: they belong to the server, so no dump of a database has them."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.operations.backup.manifest import Membership

_LOGINS = (
    "RELAY_DATABASE_URL",
    "AUDIT_MIGRATION_DATABASE_URL",
    "AUDIT_DATABASE_URL",
    "AUDIT_READER_DATABASE_URL",
    "AUDIT_AUDITOR_DATABASE_URL",
    "AUDIT_RETENTION_DATABASE_URL",
)
_ROLES = """
SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s) AND NOT rolname = ANY (%s) AND NOT rolcanlogin
ORDER BY 1
"""
# By to_jsonb, because before PostgreSQL 16 there are no such columns.
_MEMBERSHIPS = """
SELECT DISTINCT r.rolname, m.rolname, (to_jsonb(a) ->> 'inherit_option')::boolean,
       (to_jsonb(a) ->> 'set_option')::boolean
FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE r.rolname = ANY (%s) AND m.rolname <> current_user ORDER BY 1, 2
"""
_OPTIONS_SINCE = 160000


def logins() -> dict[str, str]:
    """Setting → login, of those that were given to this process."""
    found = {
        "DATABASE_URL": str(settings.DATABASES["default"]["USER"]),
        "MIGRATION_DATABASE_URL": str(settings.DATABASES["migration"]["USER"]),
    }
    for name in _LOGINS:
        if url := getattr(settings, name):
            found[name] = str(conninfo.conninfo_to_dict(url).get("user", ""))
    return found


def list_roles(connection: psycopg.Connection[Any], *, database: str) -> tuple[str, ...]:
    """Those of tenants, of cross-tenant people, of spares, and their groups."""
    rows = connection.execute(_ROLES, [f"{database}_", list(logins().values())])
    return tuple(row[0] for row in rows)


def list_memberships(
    connection: psycopg.Connection[Any], roles: Sequence[str]
) -> tuple[Membership, ...]:
    """Who may become or inherits from them; the owner, who made them, may anyway."""
    return tuple(Membership(*row) for row in connection.execute(_MEMBERSHIPS, [list(roles)]))


def make_missing(connection: psycopg.Connection[Any], roles: Iterable[str]) -> list[str]:
    """Make roles that are not there; returns which were made."""
    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    made = [role for role in roles if role not in known]
    for role in made:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    return made


def grant(connection: psycopg.Connection[Any], memberships: Iterable[Membership]) -> None:
    has_options = connection.info.server_version >= _OPTIONS_SINCE
    for membership in memberships:
        options = ""
        if has_options and membership.inherits is not None:
            inherits = "TRUE" if membership.inherits else "FALSE"
            may_set = "TRUE" if membership.may_set else "FALSE"
            options = f" WITH INHERIT {inherits}, SET {may_set}"
        connection.execute(
            sql.SQL("GRANT {} TO {}" + options).format(
                sql.Identifier(membership.role), sql.Identifier(membership.member)
            )
        )


def drop(connection: psycopg.Connection[Any], roles: Iterable[str]) -> None:
    """Those that nothing belongs to."""
    for role in roles:
        try:
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
        except psycopg.errors.DependentObjectsStillExist:
            continue
