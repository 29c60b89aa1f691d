"""`manage.py migrate_schemas`: django-tenants' name for what `migrate` does here."""

from shared_apps.fleet.management.commands.migrate import Command

__all__ = ["Command"]
