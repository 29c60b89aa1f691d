from django.apps import AppConfig

from shared_apps.core import doctor


class AuditConfig(AppConfig):
    name = "shared_apps.audit"
    label = "audit"

    def ready(self) -> None:
        from shared_apps.audit.sinks import health

        doctor.register("audit sinks", health.find_problems)
