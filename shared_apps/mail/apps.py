from django.apps import AppConfig

from shared_apps.core import doctor


class MailConfig(AppConfig):
    name = "shared_apps.mail"
    label = "mail"

    def ready(self) -> None:
        from shared_apps.mail import health, metrics

        metrics.register()
        doctor.register("mail", health.find_problems)
