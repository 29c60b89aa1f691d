"""`manage.py migrate`: the shared schema, then every tenant's, as `fleet migrate` does."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.autodetector import MigrationAutodetector

from shared_apps.fleet import services
from shared_apps.fleet.management import migrating


class Command(BaseCommand):
    help = "Migrate the shared schema, then every tenant's. A tenant that fails does not stop the others."
    requires_system_checks: list[str] = []
    # A system check compares it with makemigrations' own.
    autodetector = MigrationAutodetector

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--noinput", "--no-input", action="store_true", help="accepted, nothing is asked"
        )
        migrating.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        migrating.migrate(self, options)
        breaches = services.find_breaches()
        for breach in breaches:
            self.stderr.write(str(breach))
        if breaches:
            raise CommandError(f"everything is migrated, but the wall has {len(breaches)} breaches")
