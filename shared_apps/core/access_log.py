"""A line for each request that was answered."""

import logging
import re
from time import perf_counter

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from shared_apps.core import attribution, route
from shared_apps.core.exchange import Exchange
from shared_apps.core.log import name_of
from shared_apps.core.redaction import REPLACED, is_secret

logger = logging.getLogger("freehold.access")

# Asked every few seconds by machines; worth a line to whoever looks for it.
_QUIET = ("/health/", "/metrics")
_LONGEST = 1000
_VALUE = re.compile(r"=[^&;]*")


def write(request: HttpRequest, response: HttpResponseBase, *, exchange: Exchange) -> None:
    """Now, or when the last byte of a stream has been handed over. Called while the request is attributed."""
    level = logging.DEBUG if exchange.path.startswith(_QUIET) else logging.INFO
    if not settings.LOG_ACCESS or not logger.isEnabledFor(level):
        return
    who = attribution.current()
    path = path_of(request)
    fields = {
        "tenant": name_of(exchange.scope),
        "user_id": str(who.user_id) if who.user_id else None,
        "request_id": who.request_id,
        "route": route.current(),
        "method": exchange.method,
        "path": path,
        "query": query_of(request),
        "status": response.status_code,
        "ip": who.ip,
    }

    def finish() -> None:
        duration = int((perf_counter() - exchange.began_at) * 10_000) / 10
        logger.log(
            level,
            "%s %s %s",
            exchange.method,
            path,
            response.status_code,
            extra={**fields, "duration_ms": duration, "bytes": _size_of(response)},
        )

    if response.streaming:
        response._resource_closers.append(finish)  # type: ignore[attr-defined]  # Django's own list, run at the end
    else:
        finish()


def path_of(request: HttpRequest) -> str:
    """Without what opens something: a signed address is a key."""
    path = request.path
    match = request.resolver_match
    if match is not None:
        for name, value in match.kwargs.items():
            if isinstance(value, str) and is_secret(name):
                path = path.replace(value, REPLACED)
    return path[:_LONGEST]


def query_of(request: HttpRequest) -> str | None:
    """Names alone: values are what people looked for, and sometimes what lets them in."""
    asked = request.META.get("QUERY_STRING", "")
    return _VALUE.sub("=*", asked)[:_LONGEST] if asked else None


def _size_of(response: HttpResponseBase) -> int | None:
    return None if response.streaming else len(getattr(response, "content", b""))
