"""PostgreSQL roles of this database beside its logins, and how they hang together.

    <database>_tenants   inherited by every tenant's role     <database>_t_acme, …
    <database>_readers   inherited by every cross-tenant person's role   <database>_x_<hex of the id>

What all tenants may do in the shared schema is granted once to the group: access lists with thousands
of roles are slow. The application's login may become a tenant's or a person's role and inherits neither.
"""

from typing import Any

from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.core.required import required
from shared_apps.tenants import names

# From this version on a membership says itself whether it inherits.
MEMBERSHIP_OPTIONS_SINCE = 160000


def database_name() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def application_login() -> str:
    return str(settings.DATABASES["default"]["USER"])


def relay_login() -> str:
    """Raises SettingMissingError: this process was not given the relay's address."""
    return str(conninfo.conninfo_to_dict(required("RELAY_DATABASE_URL"))["user"])


def tenants_group() -> str:
    return names.tenants_group(database_name())


def readers_group() -> str:
    return names.readers_group(database_name())


def may_log_in() -> bool:
    """Whether tenants' roles have LOGIN, never with a password: Citus connects to their nodes as them."""
    return bool(settings.DATABASE_SHARDING == "citus")


def ensure(cursor: Any, role: str, *, may_log_in: bool = False) -> None:
    """Make a role unless it is there; one that is there is given or denied the login."""
    attribute = "LOGIN" if may_log_in else "NOLOGIN"
    cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [role])
    found = cursor.fetchone()
    if found is None:
        statement = "CREATE ROLE {} "
    elif found[0] != may_log_in:
        statement = "ALTER ROLE {} "
    else:
        return
    cursor.execute(sql.SQL(statement + attribute).format(sql.Identifier(role)))


def may_become(cursor: Any, login: str, role: str) -> None:
    """Let a login `SET ROLE` to a role, and have none of its rights before it does."""
    cursor.execute(_membership(cursor, role, login, _BECOMES))


def inherits(cursor: Any, role: str, group: str) -> None:
    """Let a role have a group's rights, and never become the group."""
    cursor.execute(_membership(cursor, group, role, _INHERITS))


def memberships_of_a_tenant(cursor: Any, role: str) -> list[sql.Composed]:
    """What `may_become` and `inherits` do for a tenant's role, to be part of a longer message."""
    return [
        _membership(cursor, role, application_login(), _BECOMES),
        _membership(cursor, tenants_group(), role, _INHERITS),
    ]


_BECOMES = "WITH INHERIT FALSE, SET TRUE"
_INHERITS = "WITH INHERIT TRUE, SET FALSE"


def _membership(cursor: Any, role: str, member: str, options: str) -> sql.Composed:
    if cursor.connection.info.server_version < MEMBERSHIP_OPTIONS_SINCE:
        options = ""  # there NOINHERIT of the login and INHERIT of the roles decide
    return sql.SQL("GRANT {} TO {} " + options).format(sql.Identifier(role), sql.Identifier(member))
