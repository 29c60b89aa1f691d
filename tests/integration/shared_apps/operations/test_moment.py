"""Snapshots of both databases belong together, however busy relay and tenants are."""

import threading
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from shared_apps.core.context import TenantIdentity
from shared_apps.operations.backup import moment, sources
from shared_apps.operations.backup.moment import Moment
from shared_apps.operations.errors import BackupError
from tests.relaying import running_relay
from tests.tenant_writers import make_vendor, writing

MOMENTS = 15


def seen(taken: Moment, tenant: TenantIdentity) -> tuple[set[str], set[UUID], set[UUID], set[str]]:
    """Vendors that are there; changes in the outbox and in the trail, and of whom the trail tells."""
    application, audit = taken.application.session, taken.audit.session
    table = sql.Identifier(tenant.schema, "invoicing_vendor")
    outbox = sql.Identifier(tenant.schema, "audit_outbox")
    vendors = rows(application, sql.SQL("SELECT id::text FROM {}").format(table))
    waiting = rows(application, sql.SQL("SELECT uid FROM {}").format(outbox))
    entries = audit.execute(
        "SELECT uid, record_id, operation, entity_type FROM audit.entry WHERE tenant_id = %s",
        [tenant.id],
    ).fetchall()
    told = {row[1] for row in entries if row[2:] == ("CREATE", "invoicing.vendor")}
    return vendors, waiting, {row[0] for row in entries}, told


def rows(session: psycopg.Connection[Any], query: sql.Composed) -> set[Any]:
    return {row[0] for row in session.execute(query)}


def waiting_vendors(taken: Moment, tenant: TenantIdentity) -> set[str]:
    outbox = sql.Identifier(tenant.schema, "audit_outbox")
    query = sql.SQL(
        "SELECT record_id FROM {} WHERE operation = 'CREATE' AND table_name = 'invoicing_vendor'"
    )
    return rows(taken.application.session, query.format(outbox))


def test_no_entry_is_lost_and_none_is_ahead_of_the_rows(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    application, audit = sources.both()
    found = 0
    before = {}
    with moment.taken(application, audit) as taken:
        for tenant in (acme, globex):
            before[tenant.slug] = seen(taken, tenant)[3]
    with running_relay(), writing(acme), writing(globex):
        for _ in range(MOMENTS):
            with moment.taken(application, audit) as taken:
                for tenant in (acme, globex):
                    vendors, _, _, told = seen(taken, tenant)
                    told -= before[tenant.slug]
                    # What the trail has not been told of waits to be, and it tells of nothing that is not there.
                    assert vendors - told <= waiting_vendors(taken, tenant)
                    assert told <= vendors
                    found += len(vendors)
    assert found > MOMENTS


def test_a_batch_that_is_appended_and_not_yet_deleted_is_in_both(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    """Between its two commits a relay may be stopped for ever: then the next sends it again."""
    application, audit = sources.both()
    for tenant in (acme, globex):
        make_vendor(tenant, "Paper AG")
    with application.connect() as claim, claim.transaction(force_rollback=True):
        claim.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(acme.schema, "audit_outbox")))
        with moment.taken(application, audit) as taken:
            assert len(seen(taken, acme)[1]) == len(seen(taken, globex)[1]) == 1


def test_an_append_that_is_in_hand_is_waited_for(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    application, audit = sources.both()
    taken_in_time = threading.Event()

    def take() -> None:
        with moment.taken(application, audit):
            taken_in_time.set()

    thread = threading.Thread(target=take)
    with audit.connect() as append, append.transaction():
        append.execute("INSERT INTO audit.entry SELECT * FROM audit.entry LIMIT 0")
        thread.start()
        assert not taken_in_time.wait(0.5)
    thread.join(timeout=30)
    assert taken_in_time.is_set()


def test_somebody_who_holds_the_trail_is_not_waited_for_without_end(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    application, audit = sources.both()
    with audit.connect() as held, held.transaction():
        held.execute("LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE")
        with (
            pytest.raises(BackupError),
            moment.taken(application, audit, patience_ms=200, attempts=2),
        ):
            pass
