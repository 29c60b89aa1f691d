from django.apps import AppConfig
from django.core.checks import Tags, register


class SealingConfig(AppConfig):
    """An app of its own because its tables are in the shared schema only, the outbox in every one."""

    name = "shared_apps.audit.sealing"
    label = "audit_sealing"

    def ready(self) -> None:
        from shared_apps.audit.sealing import checks, keys
        from shared_apps.core import doctor

        register(checks.check_keys_of_records, Tags.models)
        doctor.register("sealing keys", keys.find_unusable)
