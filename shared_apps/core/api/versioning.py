"""Versions in addresses: what is answered under each, and what its answers say of its end."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path
from django.utils import timezone
from rest_framework.request import Request

from shared_apps.core import problems
from shared_apps.core.api.versions import ApiVersion, ApiVersions

T = TypeVar("T")

_VERSIONED = re.compile(r"/api/v(0|[1-9]\d{0,8})(?=/|$)", re.ASCII)


def versioned(patterns: Sequence[URLPattern | URLResolver]) -> list[URLResolver]:
    """The same addresses under every live version; `reverse()` knows them as `v1:…`, `v2:…`."""
    return [path(f"api/{name}/", include((list(patterns), name))) for name in _declared().names]


def pick(of_version: Mapping[str, T], request: Request) -> T:
    """What a mapping of versions' names holds for the request: its own, or the nearest before it.

    The newest one outside of the API's addresses, which have no version.
    """
    declared = _declared()
    asked = getattr(request, "version", None) or declared.newest.name
    number = int(asked[1:])
    nearest = max((name for name in of_version if int(name[1:]) <= number), key=_number)
    return of_version[nearest]


def _number(name: str) -> int:
    return int(name[1:])


def _declared() -> ApiVersions:
    declared: ApiVersions = settings.API_VERSIONS
    return declared


class VersionMiddleware:
    """Announces the end of a version on each of its answers, errors too; after it there are no others."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        match = _VERSIONED.match(request.path_info)
        if match is None:
            return self.get_response(request)
        declared, number = _declared(), int(match[1])
        version = declared.find(number)
        if version is None:
            # What is newer than the newest has no address: 404, as for any other.
            is_past = number < declared.oldest.number
            return _gone(request, f"v{number}") if is_past else self.get_response(request)
        response = _gone(request, version.name) if _is_over(version) else self.get_response(request)
        if version.announcement:
            _announce(response, version, request.path[match.end() :])
        return response


def _is_over(version: ApiVersion) -> bool:
    return bool(
        settings.API_SUNSET_ENFORCED and version.sunset_at and version.sunset_at <= timezone.now()
    )


def _gone(request: HttpRequest, name: str) -> HttpResponseBase:
    newest = _declared().newest.name
    return problems.problem_response(
        request,
        status=410,
        error=f"Version {name} of the API has ended; {newest} has taken its place.",
        code="api_version_gone",
        details={"successor": newest},
    )


def _announce(response: HttpResponseBase, version: ApiVersion, rest: str) -> None:
    successor = f"/api/v{version.number + 1}"
    links = (
        f'<{successor}{quote(rest)}>; rel="successor-version", '
        f'<{successor}/docs/>; rel="deprecation"; type="text/html"'
    )
    given = response.get("Link")
    response["Link"] = f"{given}, {links}" if given else links
    for name, value in version.announcement.items():
        response[name] = value
