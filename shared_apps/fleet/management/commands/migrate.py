"""`manage.py migrate`: the shared schema, then every tenant's."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.autodetector import MigrationAutodetector

from shared_apps.core import context
from shared_apps.fleet import services
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState


class Command(BaseCommand):
    help = "Migrate the shared schema, then every tenant's. A tenant that fails does not stop the others."
    requires_system_checks: list[str] = []
    # A system check compares it with makemigrations' own.
    autodetector = MigrationAutodetector

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--noinput", "--no-input", action="store_true", help="accepted, nothing is asked"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        services.migrate_shared(verbosity=options["verbosity"])
        failed: list[str] = []
        with context.operator():
            tenants = list(selectors.list_tenants().exclude(state=TenantState.PENDING))
        for number, tenant in enumerate(tenants, start=1):
            try:
                applied = services.migrate_tenant(tenant.identity)
            except Exception as error:
                failed.append(tenant.slug)
                self.stderr.write(f"[{number}/{len(tenants)}] {tenant.slug}: failed: {error}")
                continue
            if options["verbosity"]:
                self.stdout.write(
                    f"[{number}/{len(tenants)}] {tenant.slug}: {len(applied)} migrations"
                )
        if failed:
            raise CommandError(
                f"{len(failed)} of {len(tenants)} tenants failed: {', '.join(failed)}"
            )
        breaches = services.find_breaches()
        for breach in breaches:
            self.stderr.write(str(breach))
        if breaches:
            raise CommandError(f"everything is migrated, but the wall has {len(breaches)} breaches")
