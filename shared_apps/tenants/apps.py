from django.apps import AppConfig

from shared_apps.core import doctor


class TenantsConfig(AppConfig):
    name = "shared_apps.tenants"
    label = "tenants"

    def ready(self) -> None:
        from shared_apps.tenants import (
            checks,  # noqa: F401  # registers them
            metrics,
            storage,
        )
        from shared_apps.tenants.database import replica

        metrics.register()
        doctor.register("replica", replica.find_problems)
        doctor.register("quotas", storage.find_problems)
