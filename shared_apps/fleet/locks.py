"""Who works on which schema: advisory locks of the session, which end with it however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, connections

from shared_apps.fleet.catalogue.placeholders import SCHEMA
from shared_apps.fleet.migration_login import MIGRATION_ALIAS

_SHARED = "freehold.migrations"
_SCHEMA = "freehold.schema"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))"

# Of each schema of a fleet, so without quoting. Statements of their own: what follows the first sees what
# was committed before the lock became ours.
_TRY = f"SELECT pg_try_advisory_lock(hashtext('{_SCHEMA}'), hashtext('{SCHEMA}'))"
_LEDGER = (
    f"SELECT fingerprint, is_between FROM public.fleet_schemaversion WHERE schema_name = '{SCHEMA}'"  # noqa: S608  # a constant
)
_GIVE_BACK = f"SELECT pg_advisory_unlock(hashtext('{_SCHEMA}'), hashtext('{SCHEMA}'))"
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


@dataclass(slots=True)
class Grasp:
    """Whether a schema is ours to work on, and what the ledger says of it then; None: nothing."""

    is_ours: bool
    fingerprint: str | None
    is_between: bool
    answer: str | None
    """To the query that was asked with it."""

    def has_been_released(self) -> None:
        """`release_statement` was executed."""
        self.is_ours = False


@contextmanager
def try_schema(name: str, *, query: str | None) -> Iterator[Grasp]:
    """Take a tenant's schema unless somebody else works on it: one round trip.

    The query asks for one value in the same one; where it fails there is no answer.
    """
    try:
        grasp = _try(name, query)
    except DatabaseError:
        if query is None:
            raise
        _release(_SCHEMA, name)  # it may have been the query that failed
        grasp = _try(name, None)
    try:
        yield grasp
    finally:
        if grasp.is_ours:
            _release(_SCHEMA, name)


def _try(name: str, query: str | None) -> Grasp:
    statements = [text.replace(SCHEMA, name) for text in (_TRY, _LEDGER)]
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("; ".join([*statements, query] if query else statements))
        is_ours = bool(cursor.fetchone()[0])
        cursor.nextset()
        fingerprint, is_between = cursor.fetchone() or (None, False)
        answer = None
        if query:
            cursor.nextset()
            answer = cursor.fetchone()[0]
    return Grasp(is_ours, fingerprint, is_between, answer)


def release_statement(name: str) -> str:
    """For whoever has something else to send as well."""
    return _GIVE_BACK.replace(SCHEMA, name)


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
        cursor.execute(_UNLOCK, [what, name])
