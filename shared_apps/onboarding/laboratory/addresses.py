"""Every address of a tenant's host, from the URL configuration itself, documented or not."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import UUIDConverter
from django.urls.resolvers import RoutePattern
from django.utils.regex_helper import normalize

from shared_apps.audit import triggers
from shared_apps.onboarding.laboratory.subjects import Subject

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_PATHS_PER_ROUTE = 60
"""Made of one route for one tenant's keys."""


@dataclass(frozen=True, slots=True)
class Route:
    """A path with `%(name)s` for its parameters."""

    template: str
    converters: dict[str, Any]

    def __str__(self) -> str:
        return self.template % {name: f"<{name}>" for name in self.converters}

    @property
    def has_parameters(self) -> bool:
        return bool(self.converters)

    def with_keys_of(self, subject: Subject) -> Iterator[str]:
        """Paths with the tenant's keys and texts in every place that takes them."""
        choices = [list(_candidates(converter, subject)) for converter in self.converters.values()]
        for values in islice(product(*choices), _PATHS_PER_ROUTE):
            yield self.template % dict(zip(self.converters, values, strict=True))


def routes() -> list[Route]:
    """Routes of tenant hosts; one of each pair that differs in the trailing slash only.

    Of an address that answers alike in every version of the API, the newest.
    """
    found = {
        route.template.rstrip("/"): route
        for route, view in _walk(get_resolver(settings.ROOT_URLCONF), "/", {})
        if _is_examined(route, view)
    }
    return list(found.values())


def _is_examined(route: Route, view: Any) -> bool:
    names = settings.API_VERSIONS.names
    if not route.template.startswith(tuple(f"/api/{name}/" for name in names[:-1])):
        return True
    return bool(getattr(getattr(view, "cls", None), "serializer_classes", None))


def _walk(
    resolver: URLResolver, prefix: str, converters: dict[str, Any]
) -> Iterator[tuple[Route, Any]]:
    """Each route with its view."""
    for entry in resolver.url_patterns:
        template, added = _template_of(entry.pattern)
        if isinstance(entry, URLPattern):
            yield Route(prefix + template, {**converters, **added}), entry.callback
        else:
            yield from _walk(entry, prefix + template, {**converters, **added})


def _template_of(pattern: Any) -> tuple[str, dict[str, Any]]:
    """Of `path()` from its converters; of `re_path()` from its groups, which take any text."""
    if isinstance(pattern, RoutePattern):
        return _PARAMETER.sub(r"%(\1)s", str(pattern)), dict(pattern.converters)
    (template, names), *_ = normalize(pattern.regex.pattern)
    return template, dict.fromkeys(names)


def _candidates(converter: Any, subject: Subject) -> Iterator[str]:
    ids = (str(id_) for id_ in subject.all_ids())
    if isinstance(converter, UUIDConverter):
        yield from ids
        return
    yield from (name for name in triggers.entity_names().values())
    yield from (subject.marker, subject.slug)
    yield from ids
