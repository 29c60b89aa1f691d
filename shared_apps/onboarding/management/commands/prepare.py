"""`manage.py prepare`: what a container does before it serves. Also a step of its own, in a job."""

from argparse import ArgumentParser
from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from shared_apps.core.errors import AppError, explain
from shared_apps.onboarding import first_operator, fixtures, preparing

_WAIT_SECONDS = 600


class Command(BaseCommand):
    help = (
        "Bring the installation to this version: logins and databases, migrations of all tenants, fixtures, "
        "the operator of DJANGO_SUPERUSER_EMAIL and DJANGO_SUPERUSER_PASSWORD, static files. One at a time; "
        "safe to run again, and to be killed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--wait",
            type=int,
            default=_WAIT_SECONDS,
            metavar="SECONDS",
            help=f"for others who prepare ({_WAIT_SECONDS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with preparing.alone(seconds=options["wait"], report=self._report):
                self._prepare()
        except AppError as error:
            raise CommandError(_full(error)) from error
        except (psycopg.Error, Error) as error:
            raise CommandError(explain(error)) from error

    def _prepare(self) -> None:
        self._report("preparing the installation")
        preparing.install()
        call_command(
            "migrate",
            verbosity=0,
            allow_breaking=preparing.is_begun_only(),
            stdout=self.stdout,
            stderr=self.stderr,
        )
        at = timezone.now()
        fixtures.load_everything(at=at, report=self._report)
        self._ensure_operator()
        if settings.STATIC_ROOT and settings.ENVIRONMENT_NAME == "production":
            call_command("collectstatic", interactive=False, verbosity=0, stdout=self.stdout)
        self._report("the installation is prepared")

    def _ensure_operator(self) -> None:
        email, password = settings.FIRST_OPERATOR_EMAIL, settings.FIRST_OPERATOR_PASSWORD
        if not email:
            return
        if not password:
            raise CommandError(
                "DJANGO_SUPERUSER_PASSWORD is not set (nor DJANGO_SUPERUSER_PASSWORD_FILE)"
            )
        if done := first_operator.ensure_operator(
            email=email, password=password, at=timezone.now()
        ):
            self._report(f"operator {email} {done}")

    def _report(self, line: str) -> None:
        self.stdout.write(f"prepare: {line}")
        self.stdout.flush()


def _full(error: AppError) -> str:
    details = "; ".join(f"{name}: {value}" for name, value in error.details.items())
    return error.text + (f" ({details})" if details else "")
