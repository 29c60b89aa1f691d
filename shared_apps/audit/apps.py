from django.apps import AppConfig
from django.core import checks

from shared_apps.core import doctor


class AuditConfig(AppConfig):
    name = "shared_apps.audit"
    label = "audit"

    def ready(self) -> None:
        from shared_apps.audit import checks as declarations
        from shared_apps.audit import coverage, health
        from shared_apps.audit.anchors import examining
        from shared_apps.audit.sinks import health as sinks

        checks.register(declarations.check_declarations, checks.Tags.models)
        checks.register(coverage.check_database, checks.Tags.database)
        doctor.register("audit triggers", coverage.examine)
        doctor.register("audit anchors", examining.find_problems)
        doctor.register("audit sinks", sinks.find_problems)
        doctor.register("audit relay", health.find_faults)
