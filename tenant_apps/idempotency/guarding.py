"""The addresses of a URL configuration with each API view carried out as `executing.py` says.

At the root of the configuration, so that no app has to think of it and none can forget it.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver
from rest_framework.views import APIView

from tenant_apps.idempotency.executing import OnceMixin

Pattern = URLPattern | URLResolver


def guarded(patterns: Iterable[Pattern]) -> list[Pattern]:
    """Copies, because another configuration may include the same ones."""
    return [_guarded(one) for one in patterns]


def _guarded(pattern: Pattern) -> Pattern:
    if isinstance(pattern, URLResolver):
        return URLResolver(
            pattern.pattern,
            guarded(pattern.url_patterns),
            pattern.default_kwargs,
            pattern.app_name,
            pattern.namespace,
        )
    return URLPattern(pattern.pattern, _view(pattern.callback), pattern.default_args, pattern.name)


@cache
def _view(callback: Callable[..., Any]) -> Callable[..., Any]:
    """The same one for each address and version that leads to it."""
    cls: Any = getattr(callback, "cls", None)
    if cls is None:
        return callback  # a page; the API's views all derive from APIView
    options: dict[str, Any] = getattr(callback, "initkwargs", {})
    # A view set's methods, by the method of HTTP.
    actions = getattr(callback, "actions", None)
    made: Any = _class(cls)
    view: Callable[..., Any] = (
        made.as_view(actions, **options) if actions else made.as_view(**options)
    )
    return view


@cache
def _class(cls: type[APIView]) -> type[APIView]:
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (OnceMixin, cls), names)
