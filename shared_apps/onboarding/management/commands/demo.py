"""`manage.py demo`: an installation with the tenants acme and globex. For quickstart, not for customers."""

import json
import os
from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.module_loading import import_string

from shared_apps.accounts import selectors as people
from shared_apps.core import context
from shared_apps.onboarding import demo
from shared_apps.tenants import selectors

# Seeds of tenant apps, which shared apps may not import: named, as settings name classes.
_SEEDS = ("tenant_apps.invoicing.demo.seed_demo_data",)

# The demo's documents are last year's, so that this year's numbers start at 1 for whoever tries it.
_AGE = timedelta(days=366)


class Command(BaseCommand):
    help = "Install, migrate, and make the demo's tenants, people and data. Safe to run again."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--accounts", required=True, type=Path, help="JSON file of the people's passwords"
        )
        parser.add_argument(
            "--show", action="store_true", help="print where and as whom to sign in"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["accounts"]
        passwords = demo.Passwords(_known(path))
        # Before the people are made: killed in between, nobody would know their passwords.
        _write(path, demo.describe(passwords))
        call_command("install", verbosity=0, stdout=self.stdout)
        call_command("migrate", verbosity=0, stdout=self.stdout)
        demo.set_up(passwords=passwords, at=timezone.now(), report=self.stdout.write)
        for slug in demo.SLUGS:
            admin = people.find_user_by_email(email=demo.admin_email(slug))
            assert admin is not None
            with context.tenant(selectors.get_tenant(slug=slug).identity):
                for seed in _SEEDS:
                    import_string(seed)(created_by=admin.id, at=timezone.now() - _AGE)
        self.stdout.write("demo data ready")
        if options["show"]:
            self._show(demo.describe(passwords))

    def _show(self, accounts: dict[str, Any]) -> None:
        url = urlsplit(settings.PUBLIC_URL)
        port = f":{url.port}" if url.port else ""
        for tenant in accounts["tenants"]:
            self.stdout.write(f"\n{url.scheme}://{tenant['slug']}.localhost{port}/accounts/login/")
            for user in tenant["users"]:
                self.stdout.write(f"  {user['email']:<26}{user['password']}")


def _known(path: Path) -> dict[str, str]:
    """The passwords that an earlier run wrote."""
    if not path.exists():
        return {}
    stored = json.loads(path.read_text())
    users = [user for tenant in stored["tenants"] for user in tenant["users"]]
    return {
        user["email"]: user["password"]
        for user in [stored["operator"], *users, *stored["cross_tenant"]]
    }


def _write(path: Path, accounts: dict[str, Any]) -> None:
    """Whole or not at all, and readable by its owner only."""
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(accounts, file, indent=1)
    temporary.replace(path)
