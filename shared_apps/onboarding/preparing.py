"""One at a time prepares an installation, on whatever machines containers start.

The lock is of a session on the server that the installation is made on, because before the first time
there is no database of ours. Whoever is killed gives it up with its connection, and the next goes on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from psycopg import conninfo

from shared_apps.audit import installation as audit
from shared_apps.core import context, servers
from shared_apps.core.errors import UnavailableError
from shared_apps.onboarding import installation

_PAUSE = 1.0  # seconds
_TRY = "SELECT pg_try_advisory_lock(hashtext('freehold.prepare'))"
# A machine that lost its power says nothing: the server notices in half a minute, not in two hours.
_NOTICE = (
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 4",
)


class PreparationBusyError(UnavailableError):
    code = "onboarding.preparation_busy"
    message = "Somebody else still prepares the installation."


@contextmanager
def alone(*, seconds: int, report: Callable[[str], None]) -> Iterator[None]:
    """Wait for one's turn.

    Raises:
        PreparationBusyError: it did not come in so many seconds.
        InstallationError: there is neither ADMIN_DATABASE_URL nor MIGRATION_DATABASE_URL.
    """
    with _session() as session:
        for statement in _NOTICE:
            session.execute(statement)
        until = time.monotonic() + seconds
        has_told = False
        while not _has_lock(session):
            if not has_told:
                report("another container prepares the installation; waiting for it")
                has_told = True
            if time.monotonic() > until:
                raise PreparationBusyError(waited_seconds=seconds)
            time.sleep(_PAUSE)
        yield


def install() -> None:
    """Logins and databases where there are the servers' superusers; else the audit store alone."""
    if settings.ADMIN_DATABASE_URL:
        installation.install()
    elif settings.AUDIT_MIGRATION_DATABASE_URL:
        audit.install()


def is_begun_only() -> bool:
    """No tenant was ever made here: what is half migrated was left by somebody who was killed the first
    time, and no running version can be broken by the rest."""
    with context.operator(), connections["migration"].cursor() as cursor:
        cursor.execute("SELECT to_regclass('public.tenants_tenant') IS NULL")
        if cursor.fetchone()[0]:
            return True
        cursor.execute("SELECT NOT EXISTS (SELECT FROM public.tenants_tenant)")
        return bool(cursor.fetchone()[0])


def _has_lock(session: psycopg.Connection[Any]) -> bool:
    row = session.execute(_TRY).fetchone()
    return row is not None and bool(row[0])


def _session() -> psycopg.Connection[Any]:
    if settings.ADMIN_DATABASE_URL:
        return servers.connect(settings.ADMIN_DATABASE_URL, setting="ADMIN_DATABASE_URL")
    owner, runtime = settings.DATABASES["migration"], settings.DATABASES["default"]
    if owner["USER"] == runtime["USER"]:
        raise servers.InstallationError(
            "Preparing needs MIGRATION_DATABASE_URL; where somebody else prepares, start with /start-web"
        )
    url = conninfo.make_conninfo(
        host=owner["HOST"], port=owner["PORT"], dbname=owner["NAME"],
        user=owner["USER"], password=owner["PASSWORD"],
    )  # fmt: skip
    return servers.connect(url, setting="MIGRATION_DATABASE_URL")
