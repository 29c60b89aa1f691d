"""Databases beside the installation's own, in which a backup is unpacked before anything depends on it."""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.core import servers
from shared_apps.operations.backup import server_roles
from shared_apps.operations.backup.sources import Source

ADMINS = {"application": "ADMIN_DATABASE_URL", "audit": "AUDIT_ADMIN_DATABASE_URL"}
_WORD = "_scratch_"
_MARK = "made by a drill of Freehold"
_MARKED = """
SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') = %s AND NOT rolcanlogin
"""


def admin(key: str, *, database: str | None = None) -> psycopg.Connection[Any]:
    """The server's superuser, in autocommit.

    Raises:
        SettingMissingError: this process was not given it.
    """
    setting = ADMINS[key]
    url = getattr(settings, setting)
    if url and database:
        url = conninfo.make_conninfo(url, dbname=database)
    return servers.connect(url, setting=setting)


@dataclass(frozen=True, slots=True)
class Scratch:
    sources: Mapping[str, Source]
    """Key → the database, as its owner."""
    made_roles: tuple[str, ...]
    """Roles that the server lacked, without any rights elsewhere."""


@contextmanager
def databases(
    live: tuple[Source, ...], *, roles: tuple[str, ...], keeps: bool = False
) -> Iterator[Scratch]:
    """New databases, one for each, empty and owned by the same login; dropped at the end, whatever happened.

    With `keeps` those that were renamed meanwhile stay, and so do roles. What a killed run left is dropped
    first: nobody has a session in it, while whoever is at work keeps one.
    """
    with ExitStack() as stack:
        administrators = {s.key: stack.enter_context(admin(s.key)) for s in live}
        for source in live:
            _drop_left(administrators[source.key], source)
        names = {s.key: f"{s.database[:40]}{_WORD}{secrets.token_hex(4)}" for s in live}
        application = next(source for source in live if source.key == "application")
        # Those that stay are the owner's, who grants them to others; those of a drill are nobody's.
        maker = administrators["application"]
        if keeps:
            maker = stack.enter_context(application.connect())
        made_roles = tuple(server_roles.make_missing(maker, roles))
        is_done = False
        try:
            if not keeps:
                _mark(maker, made_roles)
            found: dict[str, Source] = {}
            for source in live:
                _create(administrators[source.key], source, names[source.key])
                stack.enter_context(admin(source.key, database=names[source.key])).execute(
                    # Restored with the rest, and the owner's then.
                    "DROP SCHEMA public"
                )
                found[source.key] = source.in_database(names[source.key])
            yield Scratch(found, made_roles)
            is_done = True
        finally:
            for source in live:
                _drop(administrators[source.key], names[source.key])
            if not (keeps and is_done):
                server_roles.drop(administrators["application"], made_roles)


def _create(connection: psycopg.Connection[Any], source: Source, name: str) -> None:
    connection.execute(
        sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
            sql.Identifier(name), sql.Identifier(source.owner)
        )
    )
    connection.execute(
        sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name))
    )


def _mark(connection: psycopg.Connection[Any], roles: tuple[str, ...]) -> None:
    for role in roles:
        connection.execute(
            sql.SQL("COMMENT ON ROLE {} IS {}").format(sql.Identifier(role), sql.Literal(_MARK))
        )


def _drop(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(
        sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    )


def _drop_left(connection: psycopg.Connection[Any], source: Source) -> None:
    pattern = re.compile(f"{re.escape(source.database[:40])}{_WORD}[0-9a-f]{{8}}")
    rows = connection.execute(
        "SELECT d.datname, EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid)"
        " FROM pg_database d"
    ).fetchall()
    ours = [(name, is_used) for name, is_used in rows if pattern.fullmatch(name)]
    for name, is_used in ours:
        if not is_used:
            _drop(connection, name)
    if source.key == "application" and not any(is_used for _, is_used in ours):
        marked = connection.execute(_MARKED, [_MARK]).fetchall()
        server_roles.drop(connection, [row[0] for row in marked])
