"""Who works on which schema: advisory locks of the session, which end with it however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connections

from shared_apps.fleet.migration_login import MIGRATION_ALIAS

_SHARED = "freehold.migrations"
_SCHEMA = "freehold.schema"
_SPARES = "freehold.spares"


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
def spares() -> Iterator[None]:
    """Wait until nobody else fills the pool. In the operator's context; claims do not wait for it."""
    with _held(_SPARES, ""):
        yield


@dataclass(frozen=True, slots=True)
class Grasp:
    """Whether a schema is ours to work on, and what the ledger says of it then; None: nothing."""

    is_ours: bool
    fingerprint: str | None
    is_between: bool


@contextmanager
def try_schema(name: str) -> Iterator[Grasp]:
    """Take a tenant's schema unless somebody else works on it: one round trip."""
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        # Two statements: the second sees what was committed before the lock became ours.
        cursor.execute(
            "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s));"
            " SELECT fingerprint, is_between FROM public.fleet_schemaversion WHERE schema_name = %s",
            [_SCHEMA, name, name],
        )
        is_ours = bool(cursor.fetchone()[0])
        cursor.nextset()
        fingerprint, is_between = cursor.fetchone() or (None, False)
    try:
        yield Grasp(is_ours, fingerprint, is_between)
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
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))", [what, name])
