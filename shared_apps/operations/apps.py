from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """The second day: backup, restore and drill, rotation of secrets, what support needs. Without models."""

    name = "shared_apps.operations"
    label = "operations"

    def ready(self) -> None:
        from shared_apps.core import doctor
        from shared_apps.operations import looking

        doctor.register("certificates", looking.find_certificates)
        doctor.register("disks", looking.find_full_disks)
        doctor.register("backups", looking.find_late_backups)
        doctor.register("heartbeats", looking.find_still_processes)
        doctor.register("clocks", looking.find_odd_clocks)
