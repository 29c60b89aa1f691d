"""What the doctor says of sinks."""

from collections.abc import Iterator

from django.conf import settings

from shared_apps.audit.sinks import records
from shared_apps.audit.sinks.records import Sink
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.doctor import Finding

_WORTH_TELLING = 5  # failures, one after another


def find_problems() -> list[Finding]:
    if not settings.AUDIT_AUDITOR_DATABASE_URL:
        return []
    with databases.connect(settings.AUDIT_AUDITOR_DATABASE_URL, Database.AUDIT) as connection:
        return [finding for sink in records.list_sinks(connection) for finding in _judge(sink)]


def _judge(sink: Sink) -> Iterator[Finding]:
    command = f"manage.py audit sink enable {sink.name} --tenant {sink.tenant_id}"
    waiting = sink.head - sink.sequence
    if sink.disabled_at is not None and sink.last_error is not None:
        yield Finding(
            f"sink {sink.name} of {sink.tenant_id}",
            f"is disabled after {sink.failures} failures, {waiting} entries wait: {sink.last_error}",
            f"repair the destination, then {command}",
        )
    elif sink.disabled_at is None and sink.failures >= _WORTH_TELLING:
        yield Finding(
            f"sink {sink.name} of {sink.tenant_id}",
            f"failed {sink.failures} times, {waiting} entries wait: {sink.last_error}",
            "repair the destination; it is tried again by itself",
        )
