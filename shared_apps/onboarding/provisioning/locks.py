"""One worker per tenant and one apply per installation, whatever process or machine they are on.

The locks belong to a session of the migration login, which talks to PostgreSQL directly: a killed
process gives them up with its connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import Error, connections

from shared_apps.core import context
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.onboarding.errors import ApplyRunningError, ErasureRunningError


@contextmanager
def only_apply() -> Iterator[None]:
    """Raises ApplyRunningError: there is one already."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('freehold.apply'), 0)")
        if not cursor.fetchone()[0]:
            raise ApplyRunningError
    with _released("freehold.apply", 0):
        yield


@contextmanager
def only_erasure() -> Iterator[None]:
    """Raises ErasureRunningError: there is one already, or a restore that could bring somebody back."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('freehold.erasure'), 0)")
        if not cursor.fetchone()[0]:
            raise ErasureRunningError
    with _released("freehold.erasure", 0):
        yield


@contextmanager
def no_erasure() -> Iterator[None]:
    """Several may be in here at once.

    Raises:
        ErasureRunningError: a person is being erased.
    """
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(hashtext('freehold.erasure'), 0)")
        if not cursor.fetchone()[0]:
            raise ErasureRunningError
    with _released("freehold.erasure", 0, kind="_shared"):
        yield


@contextmanager
def only_worker(slug: str) -> Iterator[None]:
    """Wait until nobody else makes this tenant."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT hashtext(%s)", [slug])
        number = cursor.fetchone()[0]
        cursor.execute("SELECT pg_advisory_lock(hashtext('freehold.tenant'), %s)", [number])
    with _released("freehold.tenant", number):
        yield


@contextmanager
def only_carrier(run_id: UUID) -> Iterator[bool]:
    """Whether nobody else carries this run out, whose message may have come twice."""
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT hashtext(%s)", [str(run_id)])
        number = cursor.fetchone()[0]
        cursor.execute("SELECT pg_try_advisory_lock(hashtext('freehold.run'), %s)", [number])
        is_free = cursor.fetchone()[0]
    if not is_free:
        yield False
        return
    with _released("freehold.run", number):
        yield True


@contextmanager
def _released(name: str, number: int, *, kind: str = "") -> Iterator[None]:
    try:
        yield
    finally:
        try:
            with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
                cursor.execute(f"SELECT pg_advisory_unlock{kind}(hashtext(%s), %s)", [name, number])
        except Error:
            # The connection is gone, and the lock with it.
            connections[MIGRATION_ALIAS].close()
