"""Logins and databases on a PostgreSQL server, made by its superuser for `manage.py install`.

The connection URLs of the settings say which logins there are and what their passwords are; this
makes a server agree with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.errors import InvalidError
from shared_apps.core.required import SettingMissingError

POWERLESS = "NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS NOREPLICATION NOINHERIT"


class InstallationError(InvalidError):
    code = "core.installation"
    message = "The installation cannot be set up."


@dataclass(frozen=True, slots=True)
class Login:
    name: str
    password: str
    database: str

    @classmethod
    def from_url(cls, url: str, *, setting: str) -> "Login":
        """Raises SettingMissingError, InstallationError: there is no URL, or it names no login or no database."""
        parts = conninfo.conninfo_to_dict(_required(url, setting))
        if not parts.get("user") or not parts.get("dbname"):
            raise InstallationError(f"{setting} must name a login and a database")
        return cls(str(parts["user"]), str(parts.get("password") or ""), str(parts["dbname"]))

    @classmethod
    def from_alias(cls, alias: str) -> "Login":
        database = settings.DATABASES[alias]
        return cls(database["USER"], database["PASSWORD"], database["NAME"])


def connect(url: str, *, setting: str) -> psycopg.Connection[Any]:
    """Raises SettingMissingError: there is no URL."""
    database = Database.AUDIT if setting.startswith("AUDIT_") else Database.TENANTS
    return databases.connect(_required(url, setting), database, autocommit=True, connect_timeout=10)


def _required(url: str, setting: str) -> str:
    if not url:
        raise SettingMissingError.named(setting)
    return url


def require_different(names: Sequence[str], logins: Sequence[Login]) -> None:
    """Raises InstallationError: two of them are the same."""
    if len({login.name for login in logins}) < len(logins):
        raise InstallationError(
            f"{', '.join(names)} must name different logins: each has other rights."
        )


def exists(connection: psycopg.Connection[Any], login: Login) -> bool:
    query = "SELECT FROM pg_roles WHERE rolname = %s"
    return connection.execute(query, [login.name]).fetchone() is not None


def ensure_login(admin: psycopg.Connection[Any], login: Login, attributes: str = POWERLESS) -> None:
    """Make the login, or give it these attributes. Without a password in its URL it keeps the one that it has."""
    admin.execute(
        sql.SQL("{verb} ROLE {name} LOGIN {attributes} {password}").format(
            verb=sql.SQL("ALTER" if exists(admin, login) else "CREATE"),
            name=sql.Identifier(login.name),
            attributes=sql.SQL(attributes),
            password=sql.SQL("PASSWORD {}").format(sql.Literal(login.password))
            if login.password
            else sql.SQL(""),
        )
    )


def ensure_database(
    admin: psycopg.Connection[Any], owner: Login, *, logins: Sequence[Login]
) -> None:
    database = sql.Identifier(owner.database)
    owner_name = sql.Identifier(owner.name)
    if not admin.execute(
        "SELECT 1 FROM pg_database WHERE datname = %s", [owner.database]
    ).fetchone():
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
                database, owner_name
            )
        )
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for login in logins:
        admin.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(
                database, sql.Identifier(login.name)
            )
        )


def own_public_schema(admin: psycopg.Connection[Any], owner: Login) -> None:
    admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    admin.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner.name)))
