"""`manage.py audit relay|status|verify`."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.management import relaying, reporting, verifying
from shared_apps.core.errors import explain

_ACTIONS: dict[str, Callable[[BaseCommand, dict[str, Any]], None]] = {
    "relay": relaying.run,
    "status": reporting.run,
    "verify": verifying.run,
}


class Command(BaseCommand):
    help = (
        "The audit trail: move what waits in the outboxes, show what waits, prove what is stored."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        relaying.add_arguments(
            actions.add_parser("relay", help="move outboxes into the audit database, until stopped")
        )
        reporting.add_arguments(
            actions.add_parser("status", help="what waits in the outboxes, and who moves it")
        )
        verifying.add_arguments(
            actions.add_parser(
                "verify", help="whether every chain of entries is whole; exit 1 if not"
            )
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _ACTIONS[options["action"]](self, options)
        except psycopg.Error as error:
            raise CommandError(explain(error)) from error
