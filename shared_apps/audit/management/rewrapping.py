"""`manage.py audit rewrap`: after a change of AUDIT_SEALING_KEYS."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand

from shared_apps.audit import backlog
from shared_apps.audit.sealing.rewrapping import rewrap
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.progress import Progress
from shared_apps.core.required import required


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Raises SealingKeyError, psycopg.Error: nothing was changed."""
    url = required("RELAY_DATABASE_URL")
    now = datetime.now(UTC)
    with databases.connect(url, Database.TENANTS, autocommit=True) as source:
        waiting = backlog.measure(source, now=now)
    oldest = now - timedelta(seconds=waiting[0].oldest_seconds) if waiting else None
    progress = Progress(command.stderr, unit="keys")
    done = rewrap(oldest_waiting=oldest, report=progress.advance)
    progress.interrupt()
    if options["json"]:
        command.stdout.write(json.dumps(asdict(done)))
        return
    command.stdout.write(f"{done.keys} keys wrapped anew")
    for id in done.retired:
        command.stdout.write(f"{id}: no longer needed; take it out of AUDIT_SEALING_KEYS")
    for id in done.needed:
        command.stdout.write(
            f"{id}: still needed; let the relay move what waits in the outboxes, then repeat"
        )
