"""The pool of spare schemas, filled and emptied by tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared_apps.core import context
from shared_apps.fleet import services
from shared_apps.fleet.spares.pool import Pool


def fill(target: int) -> Pool:
    """Exactly so many, as by `fleet spares --target`."""
    with context.operator():
        return services.fill_spares(target=target, drops_surplus=True, on_step=lambda _: None)


@contextmanager
def emptied_afterwards() -> Iterator[None]:
    try:
        yield
    finally:
        fill(0)
