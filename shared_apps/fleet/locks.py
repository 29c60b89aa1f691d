"""Who works on which schema: advisory locks of the session, which end with it however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

_SHARED = "freehold.migrations"
_SCHEMA = "freehold.schema"


@contextmanager
def shared() -> Iterator[None]:
    """Wait until nobody else migrates the shared schema. In the operator's context; may be nested."""
    with _held(_SHARED, ""):
        yield


@contextmanager
def schema(name: str) -> Iterator[None]:
    """Wait until nobody else works on a tenant's schema. In the operator's context; may be nested."""
    with _held(_SCHEMA, name):
        yield


@contextmanager
def try_schema(name: str) -> Iterator[bool]:
    """Whether nobody else works on a tenant's schema: then it is ours."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))", [_SCHEMA, name])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            _release(_SCHEMA, name)


@contextmanager
def _held(what: str, name: str) -> Iterator[None]:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s), hashtext(%s))", [what, name])
    try:
        yield
    finally:
        _release(what, name)


def _release(what: str, name: str) -> None:
    """A connection that broke has released it already."""
    connection = connections[MIGRATION_ALIAS]
    if connection.connection is None or connection.connection.closed:
        return
    with context.operator(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", [what, name])
