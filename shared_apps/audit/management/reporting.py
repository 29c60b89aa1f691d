"""`manage.py audit status`: whether every change is recorded, what waits, and who moves it."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from shared_apps.audit import condition
from shared_apps.audit.condition import Condition
from shared_apps.audit.management import showing_coverage
from shared_apps.audit.relay import shards
from shared_apps.core.required import required


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true")
    showing_coverage.add_arguments(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Exit 1 if a change could go unrecorded."""
    required("RELAY_DATABASE_URL")
    found = condition.examine()
    gaps = showing_coverage.look(command, options)
    if options["json"]:
        described = {**_described(found), **showing_coverage.as_json(gaps)}
        command.stdout.write(json.dumps(described, default=str))
    else:
        _tell(command, found)
        showing_coverage.tell(command, gaps)
    if gaps:
        raise SystemExit(1)


def _described(found: Condition) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "oldest_seconds": found.oldest_seconds,
        "waiting": [asdict(outbox) for outbox in found.waiting],
        "closed": found.closed,
        "relays": [{**asdict(relay), "is_alive": relay.is_alive} for relay in found.relays],
        "free_shards": found.free_shards,
        "failing": found.failing,
    }


def _tell(command: BaseCommand, found: Condition) -> None:
    for relay in found.relays:
        state = "" if relay.is_alive else ", NOT ALIVE"
        command.stdout.write(
            f"relay {relay.process_id} on {relay.host}: {len(relay.shards)} of {shards.COUNT} shards,"
            f" {relay.moved} rows moved, {relay.rows_per_second:.0f} rows/s,"
            f" seen {relay.seen_seconds:.0f} s ago{state}"
        )
    if found.free_shards:
        command.stdout.write(f"no relay works on {len(found.free_shards)} shards")
    for failure in found.failing:
        command.stdout.write(
            f"{failure['schema']}: FAILS since {failure['since']}: {failure['reason']}"
        )
    for schema in found.closed:
        command.stdout.write(f"{schema}: CLOSED to the relay")
    for outbox in found.waiting:
        command.stdout.write(
            f"{outbox.schema}: {outbox.rows} rows, the oldest {outbox.oldest_seconds:.0f} s old"
        )
    if not found.waiting:
        command.stdout.write("nothing waits")
