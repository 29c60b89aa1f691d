"""The pool of spare schemas, filled and emptied by tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

from shared_apps.core import context
from shared_apps.fleet import dropping, services
from shared_apps.fleet.models import SpareSchema
from shared_apps.fleet.spares import claiming
from shared_apps.fleet.spares.pool import Pool


def fill(target: int) -> Pool:
    """Exactly so many, as by `fleet spares --target`."""
    with context.operator():
        return services.fill_spares(target=target, drops_surplus=True, on_step=lambda _: None)


def there_are() -> list[str]:
    """The schemas of spares in the catalogue, which have to be those in the pool."""
    with context.operator(), connections["migration"].cursor() as cursor:
        cursor.execute(
            "SELECT ARRAY(SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname, 'spare')"
            " ORDER BY 1), ARRAY(SELECT schema_name::text FROM fleet_spareschema ORDER BY 1)"
        )
        found, known = cursor.fetchone()
    assert found == known
    return list(found)


@contextmanager
def emptied_afterwards() -> Iterator[None]:
    """Whatever version the shared schema is at then."""
    try:
        yield
    finally:
        with context.operator(), connections["migration"].cursor() as cursor:
            for row in SpareSchema.objects.using("migration").all():
                role = claiming.role_of(row.schema_name)
                dropping.drop_tables(row.schema_name)
                dropping.drop_schema_and_role(cursor, schema=row.schema_name, role=role)
                row.delete()
