"""An audit database of a test's own, beside the installation's and with the same logins."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings
from psycopg import conninfo, sql

from shared_apps.audit import store
from shared_apps.audit.installation import Logins
from shared_apps.core import servers

_APPEND = (
    "SELECT audit.append(%(tenant)s, %(uid)s, %(at)s, %(type)s, %(operation)s, %(record)s, %(old)s,"
    " %(new)s, %(diff)s, %(person)s, %(who)s, %(request)s, %(role)s, %(number)s)"
)


@dataclass(frozen=True)
class Store:
    database: str

    def connect(self, setting: str) -> psycopg.Connection[Any]:
        """With the login of that setting; the superuser's is AUDIT_ADMIN_DATABASE_URL."""
        return psycopg.connect(self.url(setting), autocommit=True)

    def url(self, setting: str) -> str:
        return conninfo.make_conninfo(getattr(settings, setting), dbname=self.database)


def roles() -> store.Roles:
    return Logins.from_settings().roles


@contextmanager
def made_store(*, scripts: Sequence[str] = ()) -> Iterator[Store]:
    """With all scripts, or only those named."""
    made = Store(f"{_name()}_{secrets.token_hex(3)}")
    owner = Logins.from_settings().owner
    with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} OWNER {}").format(
                sql.Identifier(made.database), sql.Identifier(owner.name)
            )
        )
        try:
            with made.connect("AUDIT_ADMIN_DATABASE_URL") as inside:
                servers.own_public_schema(inside, owner)
            with made.connect("AUDIT_MIGRATION_DATABASE_URL") as connection:
                if scripts:
                    connection.execute(
                        "CREATE TABLE public.audit_store_version"
                        " (script text PRIMARY KEY, run_at timestamptz NOT NULL DEFAULT now())"
                    )
                for script in scripts:
                    store.run_script(connection, script, roles())
                if not scripts:
                    store.upgrade(connection, roles())
            yield made
        finally:
            admin.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(made.database))
            )


def append(
    writer: psycopg.Connection[Any],
    tenant: UUID,
    at: Sequence[datetime],
    *,
    uids: Sequence[UUID] = (),
) -> int:
    """Entries of these moments; returns how many were new."""
    count = len(at)
    row = writer.execute(
        _APPEND,
        {
            "tenant": tenant,
            "uid": list(uids) or [uuid4() for _ in at],
            "at": list(at),
            "type": ["invoicing.vendor"] * count,
            "operation": ["UPDATE"] * count,
            "record": [f"r{number}" if number % 3 else None for number in range(count)],
            "old": [None] * count,
            "new": [f'{{"name": "\u00fc{number}", "price": 1.50}}' for number in range(count)],
            "diff": ["{}"] * count,
            "person": [None] * count,
            "who": ['{"system":"test"}'] * count,
            "request": [str(uuid4()) if number % 2 else None for number in range(count)],
            "role": ["t"] * count,
            "number": ["1"] * count,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def _name() -> str:
    return str(conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"])
