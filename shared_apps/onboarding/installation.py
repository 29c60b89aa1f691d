"""Roles, databases and the audit store of an installation, made by the servers' superusers.

The connection URLs of the settings say which logins there are and what their passwords are; this
makes the servers agree with them. It can be run again: after a password was changed, or to repair.
"""

from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.audit import store
from shared_apps.core.errors import InvalidError
from shared_apps.fleet import roles
from shared_apps.fleet.sharding import preparing


class InstallationError(InvalidError):
    code = "onboarding.installation"
    message = "The installation cannot be set up."


@dataclass(frozen=True, slots=True)
class Login:
    name: str
    password: str
    database: str

    @classmethod
    def from_url(cls, url: str, *, setting: str) -> "Login":
        if not url:
            raise InstallationError(f"{setting} is not set (nor {setting}_FILE)")
        parts = conninfo.conninfo_to_dict(url)
        return cls(str(parts["user"]), str(parts.get("password") or ""), str(parts["dbname"]))

    @classmethod
    def from_alias(cls, alias: str) -> "Login":
        database = settings.DATABASES[alias]
        return cls(database["USER"], database["PASSWORD"], database["NAME"])


def install() -> None:
    """Make everything that the application needs of its two servers.

    Raises:
        InstallationError: a URL is missing or two logins are the same.
        psycopg.Error: a server refuses.
    """
    _install_application()
    _install_audit()


def _install_application() -> None:
    owner, runtime = Login.from_alias("migration"), Login.from_alias("default")
    relay = Login.from_url(settings.RELAY_DATABASE_URL, setting="RELAY_DATABASE_URL")
    _require_different(
        "MIGRATION_DATABASE_URL", "DATABASE_URL", "RELAY_DATABASE_URL", of=[owner, runtime, relay]
    )
    is_sharded = settings.DATABASE_SHARDING == "citus"
    admin_url = settings.ADMIN_DATABASE_URL
    inside_url = conninfo.make_conninfo(admin_url, dbname=owner.database)
    # Citus hands roles on to its nodes when they are made inside its database, which is there already.
    with _connected(inside_url if is_sharded else admin_url, "ADMIN_DATABASE_URL") as admin:
        _require_standard_strings(admin)
        if is_sharded:
            preparing.require_cluster(admin.cursor(), owner.database)
        # The owner makes the tenants' roles. The runtime login inherits nothing: it has a tenant's
        # rights only while it has become that tenant's role.
        _ensure_login(admin, owner, "CREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS INHERIT")
        _ensure_login(admin, runtime, "NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS NOINHERIT")
        _ensure_login(admin, relay, "NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS NOINHERIT")
        if is_sharded:
            for login in (owner, runtime, relay):
                preparing.remember_password(
                    admin.cursor(), login=login.name, password=login.password
                )
        _ensure_database(admin, owner, logins=[runtime, relay])
    with _connected(inside_url, "ADMIN_DATABASE_URL") as admin:
        _own_public_schema(admin, owner)
        if is_sharded:
            _own_database(admin, owner)
            preparing.prepare(
                admin.cursor(),
                database=owner.database,
                owner=owner.name,
                application=runtime.name,
                tenants=roles.tenants_group(),
            )


def _install_audit() -> None:
    owner = Login.from_url(
        settings.AUDIT_MIGRATION_DATABASE_URL, setting="AUDIT_MIGRATION_DATABASE_URL"
    )
    writer = Login.from_url(settings.AUDIT_DATABASE_URL, setting="AUDIT_DATABASE_URL")
    reader = Login.from_url(settings.AUDIT_READER_DATABASE_URL, setting="AUDIT_READER_DATABASE_URL")
    auditor = Login.from_url(
        settings.AUDIT_AUDITOR_DATABASE_URL, setting="AUDIT_AUDITOR_DATABASE_URL"
    )
    retention = Login.from_url(
        settings.AUDIT_RETENTION_DATABASE_URL, setting="AUDIT_RETENTION_DATABASE_URL"
    )
    _require_different(
        "AUDIT_MIGRATION_DATABASE_URL", "AUDIT_DATABASE_URL", "AUDIT_READER_DATABASE_URL",
        "AUDIT_AUDITOR_DATABASE_URL", "AUDIT_RETENTION_DATABASE_URL",
        of=[owner, writer, reader, auditor, retention],
    )  # fmt: skip
    admin_url = settings.AUDIT_ADMIN_DATABASE_URL
    with _connected(admin_url, "AUDIT_ADMIN_DATABASE_URL") as admin:
        for login in (owner, writer, reader, auditor, retention):
            _ensure_login(admin, login, "NOCREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS NOINHERIT")
        _ensure_database(admin, owner, logins=[writer, reader, auditor, retention])
    with _connected(
        conninfo.make_conninfo(admin_url, dbname=owner.database), "AUDIT_ADMIN_DATABASE_URL"
    ) as admin:
        _own_public_schema(admin, owner)
    with _connected(
        settings.AUDIT_MIGRATION_DATABASE_URL, "AUDIT_MIGRATION_DATABASE_URL"
    ) as connection:
        store.upgrade(
            connection,
            store.Roles(
                writer=writer.name,
                reader=reader.name,
                auditor=auditor.name,
                retention=retention.name,
            ),
        )


def _connected(url: str, setting: str) -> psycopg.Connection[Any]:
    if not url:
        raise InstallationError(f"{setting} is not set (nor {setting}_FILE)")
    return psycopg.connect(url, autocommit=True, connect_timeout=10)


def _require_different(*names: str, of: list[Login]) -> None:
    if len({login.name for login in of}) < len(of):
        raise InstallationError(
            f"{', '.join(names)} must name different logins: each has other rights."
        )


def _require_standard_strings(admin: psycopg.Connection[Any]) -> None:
    row = admin.execute("SHOW standard_conforming_strings").fetchone()
    if row != ("on",):
        raise InstallationError(
            "The server has standard_conforming_strings off; turn it on (its default)."
        )


def _ensure_login(admin: psycopg.Connection[Any], login: Login, attributes: str) -> None:
    exists = admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [login.name]).fetchone()
    statement = "ALTER ROLE {name} LOGIN {attributes} PASSWORD {password}" if exists else (
        "CREATE ROLE {name} LOGIN {attributes} PASSWORD {password}"
    )  # fmt: skip
    admin.execute(
        sql.SQL(statement).format(
            name=sql.Identifier(login.name),
            attributes=sql.SQL(attributes),
            password=sql.Literal(login.password),
        )
    )


def _ensure_database(admin: psycopg.Connection[Any], owner: Login, *, logins: list[Login]) -> None:
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


def _own_public_schema(admin: psycopg.Connection[Any], owner: Login) -> None:
    admin.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
    admin.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(owner.name)))


def _own_database(admin: psycopg.Connection[Any], owner: Login) -> None:
    """One that was made by hand; on the nodes too, where schemas are made with the owner's rights."""
    admin.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(owner.database), sql.Identifier(owner.name)
        )
    )
