from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from shared_apps.core import doctor, health


class FleetConfig(AppConfig):
    name = "shared_apps.fleet"
    label = "fleet"

    def ready(self) -> None:
        from shared_apps.fleet import metrics, readiness, services
        from shared_apps.fleet.sharding import examining
        from shared_apps.tenants import versions

        metrics.register()
        versions.register(readiness.has_what_it_needs)
        health.register_version("schema", readiness.ask_shared_schema)
        doctor.register("wall", services.find_breaches)
        doctor.register("sharding", examining.find_faults)
        checks.register(_check_wall, checks.Tags.database)


def _check_wall(*, databases: Sequence[str] | None = None, **_: Any) -> list[checks.Error]:
    """For `manage.py check --database default`."""
    from shared_apps.fleet import services
    from shared_apps.tenants.database.probe import UnsafeRouteError

    if "default" not in (databases or ()):
        return []
    try:
        breaches = services.find_breaches()
    except UnsafeRouteError:
        return []  # the check of the way itself says so (tenants/checks.py)
    return [
        checks.Error(f"{found.subject}: {found.problem}", hint=found.remedy, id="fleet.E001")
        for found in breaches
    ]
