"""`manage.py portfolio rebuild`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.portfolio.services import rebuild
from shared_apps.tenants import selectors
from shared_apps.tenants.choices import TenantState
from shared_apps.tenants.database import recycling
from shared_apps.tenants.models import Tenant

_WITHOUT_ROWS = (TenantState.PENDING, TenantState.PROVISIONING, TenantState.FAILED)


class Command(BaseCommand):
    help = "What cross-tenant roles read of tenants' rows: make it anew. Safe to run at any time."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        rebuild = actions.add_parser("rebuild", help="from the rows that tenants have now")
        rebuild.add_argument("--tenant", metavar="SLUG", help="of this one only")

    def handle(self, *args: Any, **options: Any) -> None:
        for tenant in self._tenants(options["tenant"]):
            count = rebuild(tenant=tenant.identity)
            self.stdout.write(f"{tenant.slug}: {count} invoices")
            recycling.renew(DEFAULT_DB_ALIAS)

    def _tenants(self, slug: str | None) -> list[Tenant]:
        if slug is None:
            with context.operator():
                return list(selectors.list_tenants().exclude(state__in=_WITHOUT_ROWS))
        try:
            return [selectors.get_tenant(slug=slug)]
        except AppError as error:
            raise CommandError(f"{error.text} ({slug})") from error
