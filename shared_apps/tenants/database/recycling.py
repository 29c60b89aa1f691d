"""Connections are replaced before their server processes remember too many tenants.

A server process keeps what it learns of every table that it meets, of every tenant, until it ends:
about 30 kB a table with its indexes (docs/scaling.md). So a connection counts the tenants that it
was told of, and beyond the limit of its alias (`TENANTS_PER_CONNECTION`) it is closed where one piece of
work ends: when it goes back into the pool, between two requests, and in `renew` between two tenants
of a long command. Never in between: a transaction, an open cursor or a lock of the session would go
with it. Behind a pooler in transaction mode the server's connections are the pooler's to recycle.
"""

from typing import TYPE_CHECKING, cast

from django.db import connections

from shared_apps.core import context

if TYPE_CHECKING:
    from psycopg import Connection

    from shared_apps.tenants.database.base import DatabaseWrapper


class Acquaintance:
    """The tenants that one server process was told of."""

    __slots__ = ("_limit", "_schemas")

    def __init__(self, limit: int) -> None:
        """A limit of 0 is none."""
        self._limit = limit
        self._schemas: set[str] = set()

    def add(self, scope: context.Scope) -> None:
        if self._limit and isinstance(scope, context.TenantIdentity):
            self._schemas.add(scope.schema)

    @property
    def is_exhausted(self) -> bool:
        return len(self._schemas) > self._limit if self._limit else False


def discard(connection: "Connection[object]") -> None:
    """Have the pool replace the connection when it is handed back, in its own thread.

    What the pool does at the end of `max_lifetime`; a closed one it would report as broken.
    """
    connection._expire_at = 0.0


def renew(alias: str) -> bool:
    """Between two tenants of a command: close the thread's connection if it has met too many.

    Returns whether it did: what was set for the session is gone then. The caller holds no lock of the
    session; a transaction keeps the connection.
    """
    wrapper = cast("DatabaseWrapper", connections[alias])
    if wrapper.in_atomic_block or not wrapper.is_exhausted:
        return False
    wrapper.close()
    return True
