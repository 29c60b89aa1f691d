from django.apps import AppConfig


class DirectorySyncConfig(AppConfig):
    name = "shared_apps.directory_sync"
    default_auto_field = "django.db.models.BigAutoField"
