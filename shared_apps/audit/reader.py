"""Connections to the audit database, each of which sees the tenants that are named and no other."""

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg_pool import ConnectionPool, PoolTimeout

from shared_apps.audit.errors import AuditUnavailableError
from shared_apps.core import renewal

_lock = threading.Lock()
_pool: ConnectionPool[psycopg.Connection[Any]] | None = None


@contextmanager
def reading(tenants: Sequence[UUID]) -> Iterator[psycopg.Connection[Any]]:
    """A read-only transaction that sees the entries of these tenants.

    Raises:
        AuditUnavailableError: the audit database does not answer.
    """
    try:
        with _connections().connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            visible = ",".join(map(str, tenants))
            connection.execute(sql.SQL("SET LOCAL freehold.tenant = {}").format(visible))
            yield connection
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise AuditUnavailableError from error


def _connections() -> "ConnectionPool[psycopg.Connection[Any]]":
    global _pool
    with _lock:
        if _pool is None:
            _pool = ConnectionPool(
                settings.AUDIT_READER_DATABASE_URL,
                connection_class=renewal.Connection,
                min_size=0,
                max_size=4,
                timeout=5,
                kwargs={
                    "autocommit": True,
                    "connect_timeout": 5,
                    "options": "-c TimeZone=UTC",
                    # Prepared, it might be planned without the values, which decide on the index.
                    "prepare_threshold": None,
                },
                check=ConnectionPool.check_connection,
                open=True,
            )
            # Its threads must end before the interpreter takes its modules apart.
            atexit.register(_pool.close)
        return _pool
