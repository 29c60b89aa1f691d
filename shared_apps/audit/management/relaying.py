"""`manage.py audit relay`."""

import signal
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shared_apps.audit.errors import OutboxesLeftError
from shared_apps.audit.relay import Relay
from shared_apps.core.errors import explain
from shared_apps.core.heartbeat import Heartbeat
from shared_apps.core.metrics import listener
from shared_apps.core.required import required


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="stop when every outbox is empty")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    required("RELAY_DATABASE_URL")
    relay = Relay(
        source_url=settings.RELAY_DATABASE_URL,
        target_url=settings.AUDIT_DATABASE_URL,
        redis_url=settings.REDIS_URL,
        pulse=Heartbeat("" if options["once"] else settings.HEARTBEAT_DIR, "relay"),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: relay.stop())
    if not options["once"]:
        listener.start()
        relay.run()
        return
    try:
        command.stdout.write(f"moved {relay.run_once()} entries")
    except OutboxesLeftError as error:
        raise CommandError(f"moved {relay.moved} entries. {explain(error)}") from error
