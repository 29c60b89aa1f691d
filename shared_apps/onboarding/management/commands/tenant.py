"""`manage.py tenant ACTION`: the actions are in onboarding/actions."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from shared_apps.core.errors import AppError, explain
from shared_apps.onboarding.actions import ACTIONS
from shared_apps.onboarding.actions.base import ActionParser


class Command(BaseCommand):
    help = "Declare, make, stop and look at tenants."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="ACTION", parser_class=ActionParser
        )
        for action in ACTIONS:
            action.add_arguments(actions.add_parser(action.name, help=action.help))

    def handle(self, *args: Any, **options: Any) -> None:
        action = next(action for action in ACTIONS if action.name == options["action"])
        try:
            action.run(options, stdout=self.stdout, stderr=self.stderr)
        except AppError as error:
            details = "; ".join(f"{name}: {value}" for name, value in error.details.items())
            raise CommandError(error.text + (f" ({details})" if details else "")) from error
        except (Error, OSError) as error:
            # Of a server that went away, or a disk that is full, where no service has said more of it.
            raise CommandError(explain(error)) from error
