"""`manage.py audit rewrap`: after a change of AUDIT_SEALING_KEYS."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit import backlog
from shared_apps.audit.sealing.rewrapping import rewrap
from shared_apps.core.progress import Progress


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Raises SealingKeyError, psycopg.Error: nothing was changed."""
    if not settings.RELAY_DATABASE_URL:
        raise CommandError("RELAY_DATABASE_URL is not set (nor RELAY_DATABASE_URL_FILE)")
    now = datetime.now(UTC)
    with psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True, connect_timeout=5) as source:
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
