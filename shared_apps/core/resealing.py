"""Rows that hold something sealed, sealed anew with the first key: so that the former ones can go."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction
from django.db.models import Count, Model

from shared_apps.core import context

M = TypeVar("M", bound=Model)


def reseal(model: type[M], *, key_field: str, current: str, seal_again: Callable[[M], None]) -> int:
    """Have every row sealed with a former key sealed and saved by `seal_again`; how many it were.

    A row at a time, so it is safe to stop and to begin again. Raises what `seal_again` raises; rows
    before it are done.
    """
    done = 0
    with context.operator():
        former = model._default_manager.exclude(**{f"{key_field}__in": ["", current]})
        for pk in list(former.values_list("pk", flat=True)):
            with transaction.atomic():
                row = former.select_for_update().filter(pk=pk).first()
                if row is not None:
                    seal_again(row)
                    done += 1
    return done


def count_by_key(model: type[M], *, key_field: str) -> dict[str, int]:
    """Id of the key → rows that it opens."""
    with context.operator():
        rows = model._default_manager.exclude(**{key_field: ""}).values_list(key_field)
        return dict(rows.annotate(count=Count("pk")).order_by())
