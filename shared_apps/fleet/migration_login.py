"""The connection that may define things, and code that must use no other."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DEFAULT_DB_ALIAS, connections

MIGRATION_ALIAS = "migration"


@contextmanager
def alone() -> Iterator[None]:
    """Queries of data migrations that name no database go to the connection that migrates.

    The application's own would wait for the tables that this one has locked. Django keeps connections for
    each thread; only this one's is exchanged.
    """
    kept = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections[MIGRATION_ALIAS]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = kept
