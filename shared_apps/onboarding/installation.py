"""Roles and databases of an installation, made by the servers' superusers.

It can be run again: after a password was changed, or to repair.
"""

from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.audit import installation as audit
from shared_apps.core import servers
from shared_apps.core.servers import InstallationError, Login
from shared_apps.fleet import roles
from shared_apps.fleet.sharding import preparing


def install() -> None:
    """Make everything that the application needs of its two servers.

    Raises:
        InstallationError: a URL is missing or two logins are the same.
        psycopg.Error: a server refuses.
    """
    _install_application()
    audit.install()


def _install_application() -> None:
    owner, runtime = Login.from_alias("migration"), Login.from_alias("default")
    relay = Login.from_url(settings.RELAY_DATABASE_URL, setting="RELAY_DATABASE_URL")
    servers.require_different(
        ["MIGRATION_DATABASE_URL", "DATABASE_URL", "RELAY_DATABASE_URL"], [owner, runtime, relay]
    )
    is_sharded = settings.DATABASE_SHARDING == "citus"
    admin_url = settings.ADMIN_DATABASE_URL
    inside_url = conninfo.make_conninfo(admin_url, dbname=owner.database)
    # Citus hands roles on to its nodes when they are made inside its database, which is there already.
    with servers.connect(
        inside_url if is_sharded else admin_url, setting="ADMIN_DATABASE_URL"
    ) as admin:
        _require_standard_strings(admin)
        if is_sharded:
            preparing.require_cluster(admin.cursor(), owner.database)
        # The owner makes the tenants' roles. The runtime login inherits nothing: it has a tenant's
        # rights only while it has become that tenant's role.
        servers.ensure_login(admin, owner, "CREATEROLE NOCREATEDB NOSUPERUSER NOBYPASSRLS INHERIT")
        servers.ensure_login(admin, runtime)
        servers.ensure_login(admin, relay)
        if is_sharded:
            for login in (owner, runtime, relay):
                preparing.remember_password(
                    admin.cursor(), login=login.name, password=login.password
                )
        servers.ensure_database(admin, owner, logins=[runtime, relay])
    with servers.connect(inside_url, setting="ADMIN_DATABASE_URL") as admin:
        servers.own_public_schema(admin, owner)
        if is_sharded:
            _own_database(admin, owner)
            preparing.prepare(
                admin.cursor(),
                database=owner.database,
                owner=owner.name,
                application=runtime.name,
                tenants=roles.tenants_group(),
            )


def _require_standard_strings(admin: psycopg.Connection[Any]) -> None:
    row = admin.execute("SHOW standard_conforming_strings").fetchone()
    if row != ("on",):
        raise InstallationError(
            "The server has standard_conforming_strings off; turn it on (its default)."
        )


def _own_database(admin: psycopg.Connection[Any], owner: Login) -> None:
    """One that was made by hand; on the nodes too, where schemas are made with the owner's rights."""
    admin.execute(
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(
            sql.Identifier(owner.database), sql.Identifier(owner.name)
        )
    )
