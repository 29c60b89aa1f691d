"""Django's own `migrate`, under another name: the engine in fleet/services.py calls it for one schema."""

from django.core.management.commands.migrate import Command

__all__ = ["Command"]
