"""Answers of views that are kept for those who may do the same (docs/caching.md)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet
from django_filters import utils
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from shared_apps.core import caching
from shared_apps.core.api import parameters
from shared_apps.core.api.filters import DeclaredFilters
from shared_apps.core.caching import CacheState, Entity, Found, Tier

HEADER: Final = "X-Cache"
X_CACHE: Final = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    enum=[state.value for state in CacheState],
    description="Whether it was computed for this request (`MISS`), or kept (`HIT`; `STALE`: it is being computed again). `BYPASS`: never kept.",
    response=[200],
)


@dataclass(frozen=True)
class Chosen:
    """Rows, and what was asked for to choose them: each value in its own type, blank ones left out."""

    rows: QuerySet[Any]
    filters: Mapping[str, object]


def choose(view: Any, rows: QuerySet[Any]) -> Chosen:
    """What the view's filter set makes of the request, for an answer that is about many rows.

    Raises:
        ValidationError: it names what is unknown or wrong.
    """
    parameters.require_known(view.request, view, also=())
    given = DeclaredFilters().get_filterset(view.request, rows, view)
    if given is None:
        return Chosen(rows, {})
    if not given.is_valid():
        raise utils.translate_validation(given.errors)
    return Chosen(
        given.qs,
        {
            # Several values of one filter are any of them, in whatever order.
            name: frozenset(value) if isinstance(value, list) else value
            for name, value in given.form.cleaned_data.items()
        },
    )


def remember(
    request: Request,
    entity: Entity,
    *,
    tier: Tier,
    filters: Mapping[str, object],
    compute: Callable[[], Any],
) -> Found:
    """As `caching.remember`, for whoever asks. A view that judges rows one by one (`allows`) keeps nothing."""
    permissions = getattr(request.auth, "permissions", None)
    if permissions is None or hasattr(request.parser_context["view"], "allows"):
        return Found(compute(), CacheState.BYPASS)
    return caching.remember(
        entity, tier=tier, filters=filters, permissions=permissions, compute=compute
    )
