"""`manage.py tenant create|repair|list|show|run-leak-lab`."""

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from shared_apps.core import context
from shared_apps.core.errors import AppError
from shared_apps.onboarding.laboratory import console as laboratory
from shared_apps.onboarding.services import TenantRequest, create_tenant, repair_tenant
from shared_apps.tenants import selectors
from shared_apps.tenants.models import TaskOutcome, Tenant


class Command(BaseCommand):
    help = "Make tenants and look at them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="set a tenant up, or complete one that failed")
        create.add_argument("slug")
        create.add_argument("--name", required=True)
        create.add_argument(
            "--domain", required=True, action="append", help="may be repeated; the first is primary"
        )
        create.add_argument("--admin-email", required=True)
        create.add_argument("--auth", default="database", choices=["database"])
        create.add_argument(
            "--admin-password-stdin",
            action="store_true",
            help="read the first administrator's password from standard input",
        )
        create.add_argument("--json", action="store_true")
        actions.add_parser("list", help="all tenants").add_argument("--json", action="store_true")
        repair = actions.add_parser(
            "repair", help="make a tenant's role, rights and tables as they should be"
        )
        repair.add_argument("slug")
        repair.add_argument("--json", action="store_true")
        show = actions.add_parser("show", help="one tenant")
        show.add_argument("slug")
        show.add_argument("--json", action="store_true")
        laboratory.add_arguments(
            actions.add_parser(
                "run-leak-lab", help="try everything that could leak between tenants"
            )
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "create":
                    self._create(options)
                case "list":
                    self._list(options)
                case "repair":
                    self._show(repair_tenant(slug=options["slug"]), options)
                case "show":
                    self._show(selectors.get_tenant(slug=options["slug"]), options)
                case "run-leak-lab":
                    laboratory.run(options, stdout=self.stdout, stderr=self.stderr)
        except AppError as error:
            details = "; ".join(f"{name}: {value}" for name, value in error.details.items())
            raise CommandError(error.text + (f" ({details})" if details else "")) from error

    def _create(self, options: dict[str, Any]) -> None:
        password = None
        if options["admin_password_stdin"]:
            password = (
                getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
            )
        create_tenant(
            request=TenantRequest(
                slug=options["slug"],
                name=options["name"],
                domains=tuple(options["domain"]),
                admin_email=options["admin_email"],
                admin_password=password,
            ),
            at=timezone.now(),
        )
        self._show(selectors.get_tenant(slug=options["slug"]), options)

    def _list(self, options: dict[str, Any]) -> None:
        with context.operator():
            tenants = list(selectors.list_tenants())
        if options["json"]:
            self.stdout.write(json.dumps([_described(tenant) for tenant in tenants]))
            return
        for tenant in tenants:
            domains = " ".join(_described(tenant)["domains"])
            self.stdout.write(f"{tenant.slug:<40} {tenant.state:<12} {domains}")
        if not tenants:
            self.stdout.write("no tenants")

    def _show(self, tenant: Tenant, options: dict[str, Any]) -> None:
        outcomes = [
            _outcome(outcome) for outcome in selectors.list_task_outcomes(tenant_id=tenant.id)
        ]
        described = {**_described(tenant), "tasks": outcomes}
        if options["json"]:
            self.stdout.write(json.dumps(described))
            return
        for name, value in _described(tenant).items():
            self.stdout.write(f"{name:<16} {' '.join(value) if isinstance(value, list) else value}")
        for outcome in outcomes:
            self.stdout.write(
                f"{'task':<16} {' '.join(value or '-' for value in outcome.values())}"
            )


def _outcome(outcome: TaskOutcome) -> dict[str, str]:
    return {
        "task": outcome.task,
        "state": outcome.state.lower(),
        "sent_at": outcome.sent_at.isoformat(),
        "finished_at": outcome.finished_at.isoformat() if outcome.finished_at else "",
        "error": outcome.error,
    }


def _described(tenant: Tenant) -> dict[str, Any]:
    return {
        "slug": tenant.slug,
        "id": str(tenant.id),
        "name": tenant.name,
        "state": tenant.state.lower(),
        "reason": tenant.state_reason,
        "last_error": tenant.last_error,
        "domains": [domain.domain for domain in tenant.domains.all()],
        "schema": tenant.schema_name,
        "role": tenant.role_name,
        "created_at": tenant.created_at.isoformat(),
    }
