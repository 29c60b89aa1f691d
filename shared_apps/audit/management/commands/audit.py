"""`manage.py audit install|relay|status|verify|anchor|prune|retention`."""

import json
import signal
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit import backlog
from shared_apps.audit.management import anchoring, installing, pruning, retaining, verifying
from shared_apps.audit.relay import Relay
from shared_apps.core.errors import explain


class Command(BaseCommand):
    help = (
        "The audit trail: move what waits in the outboxes, show what waits, prove what is stored."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        installing.add_arguments(
            actions.add_parser("install", help="make the audit database, or check it")
        )
        relay = actions.add_parser(
            "relay", help="move outboxes into the audit database, until stopped"
        )
        relay.add_argument("--once", action="store_true", help="stop when every outbox is empty")
        status = actions.add_parser("status", help="what waits in the outboxes")
        status.add_argument("--json", action="store_true")
        verifying.add_arguments(
            actions.add_parser(
                "verify", help="whether every chain of entries is whole; exit 1 if not"
            )
        )
        anchoring.add_arguments(
            actions.add_parser("anchor", help="sign the ends of all chains and give them away")
        )
        pruning.add_arguments(
            actions.add_parser("prune", help="remove what was kept long enough, if it is anchored")
        )
        retaining.add_arguments(
            actions.add_parser("retention", help="what trails are kept for, and which are held")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["action"] == "verify":
                verifying.run(self, options)
            elif options["action"] == "anchor":
                anchoring.run(self, options)
            elif options["action"] == "prune":
                pruning.run(self, options)
            elif options["action"] == "retention":
                retaining.run(self, options)
            elif options["action"] == "install":
                installing.run(self, options)
            else:
                self._move(options)
        except psycopg.Error as error:
            raise CommandError(explain(error)) from error

    def _move(self, options: dict[str, Any]) -> None:
        if not settings.RELAY_DATABASE_URL:
            raise CommandError("RELAY_DATABASE_URL is not set (nor RELAY_DATABASE_URL_FILE)")
        if options["action"] == "relay":
            self._relay(once=options["once"])
        else:
            self._status(options)

    def _relay(self, *, once: bool) -> None:
        relay = Relay(
            source_url=settings.RELAY_DATABASE_URL,
            target_url=settings.AUDIT_DATABASE_URL,
            redis_url=settings.REDIS_URL,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: relay.stop())
        if once:
            self.stdout.write(f"moved {relay.run_once()} entries")
        else:
            relay.run()

    def _status(self, options: dict[str, Any]) -> None:
        with psycopg.connect(
            settings.RELAY_DATABASE_URL, autocommit=True, connect_timeout=5
        ) as source:
            waiting = backlog.measure(source, now=datetime.now(UTC))
        if options["json"]:
            rows = [
                {"schema": w.schema, "rows": w.rows, "oldest_seconds": w.oldest_seconds}
                for w in waiting
            ]
            self.stdout.write(json.dumps({"waiting": rows, "rows": sum(w.rows for w in waiting)}))
            return
        for outbox in waiting:
            self.stdout.write(
                f"{outbox.schema}: {outbox.rows} rows, the oldest {outbox.oldest_seconds:.0f} s old"
            )
        if not waiting:
            self.stdout.write("nothing waits")
