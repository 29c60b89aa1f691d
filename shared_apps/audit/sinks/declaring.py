"""The sinks that a tenant should have, compared with those that it has and brought about."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from django.db import connections, transaction

from shared_apps.audit import recording
from shared_apps.audit.errors import AuditUnavailableError, SinkError
from shared_apps.audit.sinks import records
from shared_apps.audit.sinks.destinations import Destination
from shared_apps.audit.sinks.records import Sink
from shared_apps.core import context, databases
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain
from shared_apps.core.references import Reference
from shared_apps.core.required import required

CHANGED = "changed"
"""All that is told of another secret."""
REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sink as it should be. The secret's file begins with /: who sends reads it, somewhere else."""

    destination: str
    format: str
    secret: Reference | None


def require_possible(destination: str, secret: Reference | None) -> None:
    """Raises SinkError: it is no destination, or it and the secret do not go together."""
    is_webhook = Destination.parse(destination).is_webhook
    if is_webhook and secret is None:
        raise SinkError("a webhook is signed: it needs a secret")
    if secret is not None and not is_webhook:
        raise SinkError("syslog knows no secret")


def list_present(tenants: Sequence[UUID]) -> dict[UUID, list[Sink]]:
    """Raises SettingMissingError, AuditUnavailableError: the audit database cannot be asked."""
    url = required("AUDIT_AUDITOR_DATABASE_URL")
    try:
        with databases.connect(url, Database.AUDIT) as connection:
            found = records.list_sinks(connection, tenants)
    except psycopg.OperationalError as error:
        raise AuditUnavailableError(
            f"The audit database, which knows the sinks, does not answer: {explain(error)}"
        ) from error
    present: dict[UUID, list[Sink]] = {tenant: [] for tenant in tenants}
    for sink in found:
        present[sink.tenant_id].append(sink)
    return present


def differences(
    wanted: Mapping[str, Wanted], present: Sequence[Sink]
) -> Iterator[tuple[str, str | None, str | None]]:
    """Name of the sink and of what differs, as it is and as it should be; nothing of secrets."""
    by_name = {sink.name: sink for sink in present}
    for name in sorted({*wanted, *by_name}):
        should, sink = wanted.get(name), by_name.get(name)
        if should is None:
            yield name, by_name[name].destination, REMOVED
        elif sink is None:
            yield name, None, f"{should.destination} ({should.format})"
        else:
            if should.destination != sink.destination:
                yield f"{name}.url", sink.destination, should.destination
            if should.format != sink.format:
                yield f"{name}.format", sink.format, should.format
            if should.secret != sink.reference:
                yield f"{name}.secret", None, CHANGED


def declare(*, tenant_id: UUID, wanted: Mapping[str, Wanted]) -> None:
    """Give a tenant these sinks and no others, all of it or nothing, each change told in its trail.

    A new one begins with what is written from now on; one that is changed goes on where it was.

    Raises:
        SettingMissingError: this process may not.
        SinkError: somebody else has just added one of them.
        psycopg.Error, django.db.Error: a database does not answer.
    """
    with recorded(tenant_id) as (owner, record):
        present = {sink.name: sink for sink in records.list_sinks(owner, [tenant_id])}
        for name, sink in present.items():
            if name not in wanted:
                record(name, _described(sink.destination, sink.format), {"action": "remove"})
                records.remove(owner, sink)
        for name, should in wanted.items():
            new = _described(should.destination, should.format)
            if name not in present:
                record(name, {}, new)
                records.add(
                    owner, tenant_id=tenant_id, name=name, destination=should.destination,
                    entry_format=should.format, secret=should.secret, after=None,
                )  # fmt: skip
            elif any(differences({name: should}, [present[name]])):
                sink = present[name]
                record(name, _described(sink.destination, sink.format), new)
                records.change(
                    owner, sink, destination=should.destination, entry_format=should.format,
                    secret=should.secret,
                )  # fmt: skip


def _described(destination: str, entry_format: str) -> dict[str, str]:
    return {"destination": destination, "format": entry_format}


class Record:
    """Says in the tenant's trail what becomes of a sink, in the transaction of `recorded`."""

    def __init__(self, cursor: Any, tenant_id: UUID) -> None:
        self._cursor = cursor
        self._owner = {"tenant_id": str(tenant_id)}

    def __call__(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        recording.record_update(
            self._cursor,
            table="audit.sink",
            record_id=name,
            old=self._owner | dict(old),
            new=self._owner | dict(new),
        )


@contextmanager
def recorded(tenant_id: UUID) -> Iterator[tuple[psycopg.Connection[Any], Record]]:
    """The owner's connection; a change of sinks is an entry in the trail of the tenant whose entries they are sent."""
    with (
        context.operator(),
        transaction.atomic(using="migration"),
        databases.connect(required("AUDIT_MIGRATION_DATABASE_URL"), Database.AUDIT) as owner,
        connections["migration"].cursor() as cursor,
    ):
        yield owner, Record(cursor, tenant_id)
