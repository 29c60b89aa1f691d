"""The relay is killed with -9 while it moves many rows: each change is in the trail once, in order."""

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import conninfo_to_dict

from shared_apps.audit import relay, transfer, triggers
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.stack.processes import exit_code, fork, wait_until

_VENDORS = 4000
_RENAMED = 3
_KILLS = 12
_CHANGES = _VENDORS * (1 + _RENAMED)


@pytest.fixture
def changes(acme: TenantIdentity) -> Iterator[None]:
    """Vendors, each made and then renamed several times; the relay has seen nothing of it.

    They are taken out of the trail again, as nobody but the superuser can.
    """
    with _audit_superuser() as audit:
        before = audit.execute(
            "SELECT sequence, hash FROM audit.chain WHERE tenant_id = %s", [acme.id]
        ).fetchone()
    assert before is not None
    with context.tenant(acme), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_by, created_at)"
            " SELECT gen_random_uuid(), '0', '', '', '', gen_random_uuid(), now()"
            " FROM generate_series(1, %s)",
            [_VENDORS],
        )
        for number in range(1, _RENAMED + 1):
            cursor.execute("UPDATE invoicing_vendor SET name = %s", [str(number)])
    yield
    with _audit_superuser() as audit:
        audit.execute(
            "DELETE FROM audit.entry WHERE tenant_id = %s AND sequence > %s", [acme.id, before[0]]
        )
        audit.execute(
            "UPDATE audit.chain SET sequence = %s, hash = %s WHERE tenant_id = %s",
            [*before, acme.id],
        )


@pytest.mark.usefixtures("changes")
def test_killed_at_any_moment(
    system: Installation, acme: TenantIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 20)  # more moments
    generator = random.Random(4711)

    for _ in range(_KILLS):
        waiting = _waiting(acme)
        child = fork(lambda: _new_relay().run())
        moving = _becomes_less(acme, waiting)
        time.sleep(generator.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert exit_code(child) == -signal.SIGKILL
        assert moving
    assert _waiting(acme) > 0
    system.relay()

    _assert_trail_is_whole(acme)


@pytest.mark.usefixtures("changes")
def test_killed_between_the_two_commits(system: Installation, acme: TenantIdentity) -> None:
    """The entries are committed, the outbox still has the rows: they are sent again."""

    def move_and_die() -> None:
        with (
            _Doomed.connect(settings.RELAY_DATABASE_URL, autocommit=True) as source,
            psycopg.connect(settings.AUDIT_DATABASE_URL, autocommit=True) as target,
        ):
            source.execute("SET timezone = 'UTC'")
            transfer.move_batch(
                source=source, target=target, schema=acme.schema, tenant_id=acme.id,
                entities=triggers.entity_names(), limit=100,
            )  # fmt: skip

    for _ in range(3):
        assert exit_code(fork(move_and_die)) == -signal.SIGKILL
    assert _waiting(acme) == _CHANGES
    assert len(_trail(acme)) == 100

    system.relay()

    _assert_trail_is_whole(acme)


class _Doomed(psycopg.Connection[Any]):
    """Its process is killed at the moment in which it would commit."""

    @contextmanager
    def transaction(self, *arguments: Any, **options: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*arguments, **options) as transaction:
            yield transaction
            os.kill(os.getpid(), signal.SIGKILL)


def _audit_superuser() -> psycopg.Connection[Any]:
    database = conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    return psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=str(database))


def _new_relay() -> relay.Relay:
    return relay.Relay(
        source_url=settings.RELAY_DATABASE_URL,
        target_url=settings.AUDIT_DATABASE_URL,
        redis_url=settings.REDIS_URL,
    )


def _waiting(tenant: TenantIdentity) -> int:
    with psycopg.connect(settings.RELAY_DATABASE_URL) as source:
        row = source.execute(
            f"SELECT count(*) FROM {tenant.schema}.audit_outbox"  # type: ignore[arg-type]
        ).fetchone()
    assert row is not None
    return int(row[0])


def _becomes_less(tenant: TenantIdentity, waiting: int) -> bool:
    return wait_until(lambda: _waiting(tenant) < waiting, seconds=30)


def _trail(tenant: TenantIdentity) -> list[tuple[str, str, dict[str, Any]]]:
    """Record, operation and difference of what was done to vendors since the last clean-up."""
    vendors = _vendors(tenant)
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as audit:
        return audit.execute(
            "SELECT record_id, operation, diff FROM audit.entry"
            " WHERE tenant_id = %s AND record_id = ANY(%s) ORDER BY sequence",
            [tenant.id, [str(vendor) for vendor in vendors]],
        ).fetchall()


def _vendors(tenant: TenantIdentity) -> list[UUID]:
    with context.tenant(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM invoicing_vendor")
        return [row[0] for row in cursor.fetchall()]


def _assert_trail_is_whole(tenant: TenantIdentity) -> None:
    trail = _trail(tenant)
    names: dict[str, list[str]] = {}
    for record, _, difference in trail:
        names.setdefault(record, []).append(difference["name"]["new"])
    assert len(trail) == _CHANGES
    assert set(map(tuple, names.values())) == {tuple(map(str, range(_RENAMED + 1)))}
    with psycopg.connect(settings.AUDIT_AUDITOR_DATABASE_URL) as audit:
        chain = audit.execute(
            "SELECT sequence, hash = audit.entry_hash(coalesce(lag(hash) OVER w,"
            " sha256(convert_to(tenant_id::text, 'UTF8'))), entry)"
            " FROM audit.entry WHERE tenant_id = %s WINDOW w AS (ORDER BY sequence)"
            " ORDER BY sequence",
            [tenant.id],
        ).fetchall()
    assert all(follows for _, follows in chain)
    assert all(after == before + 1 for (before, _), (after, _) in pairwise(chain))
    assert chain[0][0] == 1
