"""The pool of spare schemas, filled and emptied by tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import services
from shared_apps.fleet.spares.pool import Pool


def fill(target: int) -> Pool:
    """Exactly so many, as by `fleet spares --target`."""
    with context.operator():
        return services.fill_spares(target=target, drops_surplus=True, on_step=lambda _: None)


def there_are() -> list[str]:
    """The schemas of spares in the catalogue, which have to be those in the pool."""
    with context.operator(), connections["migration"].cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'spare')")
        found = sorted(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT schema_name FROM fleet_spareschema ORDER BY 1")
        assert found == [row[0] for row in cursor.fetchall()]
    return found


@contextmanager
def emptied_afterwards() -> Iterator[None]:
    try:
        yield
    finally:
        fill(0)
