"""Relays as processes of their own, changes for them to move, and whether the trail has each once."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psycopg
from django.conf import settings
from django.db import OperationalError, connection, connections
from psycopg import sql

from shared_apps.audit.chain import verifying
from shared_apps.audit.relay import Relay
from shared_apps.audit.relay.sessions import Patience
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.audit_chains import administrator
from tests.stack.processes import exit_code, fork
from tests.waiting import wait_until

QUICK = Patience(lock=0.5, statement=4.0, silence=5.0)
_RENAMED = 3
WRITERS = 8
CHANGES_OF_A_VENDOR = 1 + _RENAMED


def new_relay(*, batch: int = 20, patience: Patience = QUICK) -> Relay:
    """With small batches: more moments at which something may happen."""
    return Relay(
        source_url=settings.RELAY_DATABASE_URL,
        target_url=settings.AUDIT_DATABASE_URL,
        redis_url=settings.REDIS_URL,
        batch=batch,
        patience=patience,
        heartbeat_every=0.5,
    )


@contextmanager
def at_work(relay: Callable[[], Relay] = new_relay) -> Iterator[int]:
    """A relay's process; killed afterwards unless the test did it."""
    child = fork(lambda: relay().run())
    try:
        yield child
    finally:
        end(child)


def end(child: int) -> None:
    """Kill it, if it is still there."""
    try:
        os.kill(child, signal.SIGKILL)
        exit_code(child)
    except (ProcessLookupError, ChildProcessError):
        return


def waiting(tenant: TenantIdentity) -> int:
    """Rows in its outbox."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(tenant.schema, "audit_outbox"))
    with psycopg.connect(settings.RELAY_DATABASE_URL) as source:
        row = source.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def wait_until_moved(tenants: Sequence[TenantIdentity], *, timeout: float = 60.0) -> None:
    wait_until(
        lambda: not any(map(waiting, tenants)),
        "everything is in the audit database",
        timeout=timeout,
    )


def change_vendors(tenant: TenantIdentity, *, count: int) -> None:
    """Make so many, then rename all of them several times, each time in a transaction of its own."""
    with context.tenant(tenant), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
            " SELECT gen_random_uuid(), '0', '', '', '', gen_random_uuid(), now()"
            " FROM generate_series(1, %s) RETURNING id",
            [count],
        )
        made = [row[0] for row in cursor.fetchall()]
        for number in range(1, _RENAMED + 1):
            cursor.execute(
                "UPDATE invoicing_vendor SET name = %s WHERE id = ANY(%s)", [str(number), made]
            )


def assert_each_is_in_the_trail_once(
    tenants: Sequence[TenantIdentity], *, audit_url: str | None = None
) -> int:
    """All that `change_vendors` committed, in its order, in whole chains; returns how many changes that were.

    A vendor's name says how often it was changed.
    """
    url = audit_url or settings.AUDIT_AUDITOR_DATABASE_URL
    total = 0
    for tenant in tenants:
        with context.tenant(tenant), connection.cursor() as cursor:
            cursor.execute("SELECT id::text, name::integer + 1 FROM invoicing_vendor")
            vendors: dict[str, int] = dict(cursor.fetchall())
        with psycopg.connect(url) as audit:
            found: dict[str, tuple[list[str], int]] = {
                record: (names, distinct)
                for record, names, distinct in audit.execute(
                    "SELECT record_id, array_agg(diff -> 'name' ->> 'new' ORDER BY sequence),"
                    " count(DISTINCT uid) FROM audit.entry"
                    " WHERE tenant_id = %s AND record_id = ANY(%s) GROUP BY 1",
                    [tenant.id, list(vendors)],
                )
            }
        expected = {
            vendor: ([str(number) for number in range(count)], count)
            for vendor, count in vendors.items()
        }
        assert {vendor: v for vendor, v in found.items() if v != expected.get(vendor)} == {}
        assert found.keys() == expected.keys()
        total += sum(vendors.values())
    verdicts = verifying.verify(url=url, tenants=[tenant.id for tenant in tenants], jobs=1)
    assert [verdict.problems for verdict in verdicts] == [()] * len(tenants)
    return total


@contextmanager
def taken_back(tenants: Sequence[TenantIdentity]) -> Iterator[None]:
    """Their entries of the block are removed again, as nobody but the superuser can."""
    with administrator() as audit:
        before = audit.execute(
            "SELECT sequence, hash, tenant_id FROM audit.chain WHERE tenant_id = ANY(%s)",
            [[tenant.id for tenant in tenants]],
        ).fetchall()
    assert len(before) == len(tenants)
    yield
    with administrator() as audit:
        for sequence, stored, tenant_id in before:
            audit.execute(
                "DELETE FROM audit.entry WHERE tenant_id = %s AND sequence > %s",
                [tenant_id, sequence],
            )
            audit.execute(
                "UPDATE audit.chain SET sequence = %s, hash = %s WHERE tenant_id = %s",
                [sequence, stored, tenant_id],
            )


class Writers:
    """Threads that change vendors of two tenants, each change in a transaction of its own.

    Patient ones go on with another vendor when their database was away.
    """

    def __init__(self, tenants: list[TenantIdentity], *, patient: bool = False) -> None:
        self._patient = patient
        self._stopping = threading.Event()
        self._made = [0] * WRITERS
        self._threads = [
            threading.Thread(target=self._write, args=(number, tenants[number % len(tenants)]))
            for number in range(WRITERS)
        ]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def vendors(self) -> int:
        return sum(self._made)

    def wait_for_more(self) -> None:
        before = self.vendors
        wait_until(lambda: self.vendors > before + WRITERS, "they write")

    def _write(self, number: int, tenant: TenantIdentity) -> None:
        while not self._stopping.is_set():
            try:
                change_vendors(tenant, count=1)
            except OperationalError:
                if not self._patient:
                    raise
                connections.close_all()
            else:
                self._made[number] += 1
            time.sleep(0.02)  # the load is there to be interrupted, not to be heavy
        connections.close_all()
