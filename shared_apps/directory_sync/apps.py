from django.apps import AppConfig

from shared_apps.core import doctor


class DirectorySyncConfig(AppConfig):
    name = "shared_apps.directory_sync"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from shared_apps.directory_sync import condition

        doctor.register("directories", condition.find_problems)
