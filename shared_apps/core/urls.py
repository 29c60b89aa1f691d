"""URL patterns of the API: the trailing slash is optional everywhere."""

from collections.abc import Callable
from typing import Any

from django.http.response import HttpResponseBase
from django.urls import URLPattern, path


def endpoint(route: str, view: Callable[..., HttpResponseBase], *, name: str) -> list[URLPattern]:
    """`route` with its canonical slash, and the same without: both answer, no redirect loses a body.

    `reverse()` gives the canonical form, because Django prefers the pattern defined last.
    """
    kwargs: dict[str, Any] = {}
    return [path(route.rstrip("/"), view, kwargs, name=name), path(route, view, kwargs, name=name)]
