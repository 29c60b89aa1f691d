"""`manage.py audit …`: a module of audit/management for each action."""

from argparse import ArgumentParser
from typing import Any, Protocol

import psycopg
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.management import (
    anchoring,
    checking,
    exporting,
    installing,
    proving,
    pruning,
    reconciling,
    relaying,
    reporting,
    retaining,
    rewrapping,
    sinking,
    verifying,
)
from shared_apps.core.errors import AppError, explain


class _Action(Protocol):
    def add_arguments(self, parser: ArgumentParser) -> None: ...
    def run(self, command: BaseCommand, options: dict[str, Any]) -> None: ...


_ACTIONS: dict[str, tuple[_Action, str]] = {
    "install": (installing, "make the audit database, or check it"),
    "relay": (relaying, "move outboxes into the audit database, until stopped"),
    "status": (reporting, "whether every change is recorded, what waits, and who moves it"),
    "verify": (verifying, "whether every chain of entries is whole; exit 1 if not"),
    "reconcile": (reconciling, "whether tables are what the trail says; exit 1 if not"),
    "anchor": (anchoring, "sign the ends of all chains and give them away"),
    "export": (exporting, "entries as a file that proves itself"),
    "check-export": (checking, "prove such a file, without a database"),
    "proof": (proving, "prove some entries to whoever has the public key, or check that"),
    "sink": (sinking, "webhooks and syslog that entries are sent on to"),
    "prune": (pruning, "remove what was kept long enough, if it is anchored"),
    "retention": (retaining, "what trails are kept for, and which are held"),
    "rewrap": (rewrapping, "wrap people's keys with the first AUDIT_SEALING_KEYS"),
}


class Command(BaseCommand):
    help = "The audit trail: move it, watch it, prove it, give it away and take it away in time."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, (module, text) in _ACTIONS.items():
            module.add_arguments(actions.add_parser(name, help=text, description=text))

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _ACTIONS[options["action"]][0].run(self, options)
        except (psycopg.Error, AppError) as error:
            raise CommandError(explain(error)) from error
