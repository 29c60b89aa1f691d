"""Requests: how many, how long, and what was refused."""

from time import perf_counter

from django.conf import settings
from django.http.response import HttpResponseBase
from prometheus_client import Counter, Histogram

from shared_apps.core import answer_floor, context, route
from shared_apps.core.exchange import Exchange
from shared_apps.core.metrics import tenant_label

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Histogram(
    "freehold_http_request_duration_seconds",
    "Requests by the name of their address, method and class of status.",
    ("route", "method", "status"),
    buckets=_SECONDS,
)
# Apart from the addresses: both in one would be a series for each pair.
TENANT_REQUESTS = Histogram(
    "freehold_tenant_request_duration_seconds",
    "Requests by tenant and class of status, as METRICS_TENANTS says.",
    ("tenant", "status"),
    buckets=_SECONDS,
)
REFUSALS = Counter(
    "freehold_http_refusals_total",
    "Answers with a problem body, by status and code.",
    ("status", "code"),
)
# Whatever else a client sends as a method.
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


def observe(response: HttpResponseBase, *, exchange: Exchange) -> None:
    """Count an answer when it is ready; of a stream, when its head is."""
    seconds = perf_counter() - exchange.began_at
    status = f"{response.status_code // 100}xx"
    method = exchange.method if exchange.method in _METHODS else "other"
    REQUESTS.labels(route.current() or "none", method, status).observe(seconds)
    if settings.METRICS_TENANTS != "off" and isinstance(exchange.scope, context.TenantIdentity):
        TENANT_REQUESTS.labels(
            tenant_label.of_this_process.of(exchange.scope.slug), status
        ).observe(seconds)
    if settings.SERVER_TIMING and not answer_floor.is_held(response):
        response["Server-Timing"] = f"app;dur={seconds * 1000:.1f}"
