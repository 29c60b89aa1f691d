"""One connection that meets every tenant, in a process of the product's own."""

import time
from collections.abc import Mapping
from typing import Any

import django

from tests.benchmarks.suite.scaling import looking

_LOOK_EVERY = 10  # tenants


class Touching:
    """A target of `workers.worker`. Imports of the product wait for its set-up."""

    def __init__(self) -> None:
        django.setup()
        self._peak, self._processes = 0.0, 0

    def touch_all(self) -> float:
        """Seconds in which a row of each table of each tenant is asked for, over one connection."""
        from django.apps import apps
        from django.db import connection

        from shared_apps.core import context

        models = [m for m in apps.get_models() if m.__module__.startswith("tenant_apps.")]
        # As a pool keeps it.
        connection.close()
        connection.settings_dict["CONN_MAX_AGE"] = None
        with context.operator():
            tenants = tenants_of_the_bench()
        met = set[int]()
        self._peak, looked = 0.0, 0.0
        started = time.perf_counter()
        for number, tenant in enumerate(tenants, start=1):
            with context.tenant(tenant):
                for model in models:
                    list(model._default_manager.all()[:1])
            pid = connection.connection.info.backend_pid
            met.add(pid)
            if number % _LOOK_EVERY == 0 or number == len(tenants):
                before = time.perf_counter()
                self._peak = max(self._peak, looking.megabytes_of(pid))
                looked += time.perf_counter() - before
            connection.close_if_unusable_or_obsolete()
        self._processes = len(met)
        return time.perf_counter() - started - looked

    def memory(self) -> Mapping[str, float]:
        """Of the last `touch_all`."""
        return {"MB": round(self._peak, 1), "processes": self._processes}


def tenants_of_the_bench() -> list[Any]:
    """In the operator's context."""
    from shared_apps.tenants.models import Tenant

    rows = Tenant.objects.filter(slug__startswith="bench-").order_by("slug")
    return [tenant.identity for tenant in rows]
