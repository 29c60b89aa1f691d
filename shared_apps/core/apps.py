import logging

from django.apps import AppConfig

from shared_apps.core import doctor


class CoreConfig(AppConfig):
    name = "shared_apps.core"
    label = "core"

    def ready(self) -> None:
        from shared_apps.core import health, log_lines

        log_lines.use_structlog()
        # What Python warns of is a line like any other.
        logging.captureWarnings(True)

        for name in health.DEPENDENCIES:
            doctor.register(name, health.examination_of(name))
