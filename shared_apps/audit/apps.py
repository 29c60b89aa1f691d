from django.apps import AppConfig

from shared_apps.core import doctor


class AuditConfig(AppConfig):
    name = "shared_apps.audit"
    label = "audit"

    def ready(self) -> None:
        from shared_apps.audit import health

        doctor.register("audit relay", health.find_faults)
