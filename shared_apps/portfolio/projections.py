"""From changes that the relay moves to gathered rows."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit import projections
from shared_apps.audit.projections import Change
from shared_apps.portfolio import rows, sources
from shared_apps.portfolio.sources import Source


def register(source: Source) -> None:
    """Gather what this source describes, from changes and in rebuilds; once, however often `ready()` runs."""
    if source in sources.registered():
        return
    sources.register(source)

    def apply(connection: psycopg.Connection[Any], tenant: UUID, changes: Sequence[Change]) -> None:
        _apply(source, connection, tenant, changes)

    projections.register(
        entities=(source.vendor_entity, source.invoice_entity), apply=apply, fail=_fail
    )


def _apply(
    source: Source, connection: psycopg.Connection[Any], tenant_id: UUID, changes: Sequence[Change]
) -> None:
    # Only the last state of a record counts: its changes come in the order in which they were made.
    last = {(change.entity, change.record_id): change.values for change in changes}
    vendors = {
        id: values for (entity, id), values in last.items() if entity == source.vendor_entity
    }
    invoices = {
        id: values for (entity, id), values in last.items() if entity == source.invoice_entity
    }
    execute: rows.Execute = connection.execute  # type: ignore[assignment]  # psycopg wants literal statements
    rows.lock(execute, tenant_id)
    rows.put_vendors(execute, tenant_id, [source.vendor_of(v) for v in vendors.values() if v])
    rows.put_invoices(execute, tenant_id, [source.invoice_of(v) for v in invoices.values() if v])
    rows.remove_invoices(execute, tenant_id, [UUID(id) for id, v in invoices.items() if not v])
    rows.remove_vendors(execute, tenant_id, [UUID(id) for id, v in vendors.items() if not v])


def _fail(connection: psycopg.Connection[Any], tenant_id: UUID, reason: str) -> None:
    execute: rows.Execute = connection.execute  # type: ignore[assignment]  # as above
    rows.mark_stale(execute, tenant_id, reason=reason, at=datetime.now(UTC))
