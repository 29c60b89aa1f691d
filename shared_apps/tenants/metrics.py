"""Figures of tasks, queues and tenants."""

import time
from collections.abc import Iterator
from typing import Any

import redis
from celery.signals import task_postrun, task_prerun
from django.conf import settings
from django.db.models import Count
from prometheus_client import Histogram

from shared_apps.core import context
from shared_apps.core.metrics import stored
from shared_apps.core.metrics.stored import Family, Sample
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.models import Tenant

TASKS = Histogram(
    "freehold_task_duration_seconds",
    "Tasks by name and outcome.",
    ("task", "outcome"),
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
)

_TENANTS = Family("freehold_tenants", "Tenants by state.", ("state",))
_QUEUES = Family("freehold_queue_depth", "Tasks that no worker has taken yet.", ("queue",))
_BEGAN = "_freehold_began_at"


def register() -> None:
    stored.register("tenants", _TENANTS, ask=_count_tenants)
    stored.register("queues", _QUEUES, ask=_count_waiting)
    task_prerun.connect(_begin)
    task_postrun.connect(_end)


def _begin(task: Any = None, **_: Any) -> None:
    setattr(task.request, _BEGAN, time.perf_counter())


def _end(task: Any = None, state: str | None = None, **_: Any) -> None:
    began = getattr(task.request, _BEGAN, None)
    if began is not None:
        outcome = (state or "unknown").lower()
        TASKS.labels(task.name, outcome).observe(time.perf_counter() - began)


def _count_tenants() -> Iterator[Sample]:
    with context.operator():
        counted = dict(Tenant.objects.values_list("state").annotate(Count("id")).order_by())
    for state in TenantState:
        yield Sample(_TENANTS.name, counted.get(state.value, 0), (state.value.lower(),))


def queues() -> list[str]:
    """Those that the settings send tasks to."""
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()}
    return sorted({getattr(settings, "CELERY_TASK_DEFAULT_QUEUE", "celery"), *routed})


def _count_waiting() -> Iterator[Sample]:
    """A broker other than Redis has figures of its own."""
    if not settings.CELERY_BROKER_URL.startswith(("redis", "unix")):
        return
    with redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_timeout=2, socket_connect_timeout=2
    ) as client:
        for queue in queues():
            yield Sample(_QUEUES.name, client.llen(queue), (queue,))
