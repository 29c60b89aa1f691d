from django.apps import AppConfig
from django.core import checks

from shared_apps.core import doctor


class CoreConfig(AppConfig):
    name = "shared_apps.core"
    label = "core"

    def ready(self) -> None:
        from shared_apps.core import health, unnamed_proxies
        from shared_apps.core.checks import check_databases

        checks.register(check_databases)
        for name in health.DEPENDENCIES:
            doctor.register(name, health.examination_of(name))
        doctor.register("proxies", unnamed_proxies.find)
