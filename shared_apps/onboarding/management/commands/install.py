"""`manage.py install`: roles, databases, audit store, shared schema. Run by quickstart, Ansible and Helm."""

from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from shared_apps.core.errors import AppError, explain
from shared_apps.fleet import services as fleet
from shared_apps.onboarding import installation


class Command(BaseCommand):
    help = (
        "Make the logins, databases and schemas that the configured URLs name, and migrate the shared "
        "schema. Needs ADMIN_DATABASE_URL. Safe to run again."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            installation.install()
        except (AppError, psycopg.Error) as error:
            raise CommandError(explain(error)) from error
        fleet.migrate_shared(verbosity=options["verbosity"])
        self.stdout.write("installed")
