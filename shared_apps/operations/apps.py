from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """The second day: backup, restore and drill, rotation of secrets, what support needs. Without models."""

    name = "shared_apps.operations"
    label = "operations"
