"""`audit.append`: numbers, hashes, repetitions, and new months that stop nobody."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from shared_apps.audit import store
from shared_apps.audit.chain import verifying
from tests.audit_store import Store, append, made_store, roles
from tests.concurrency import at_once
from tests.installation import Installation

_NOW = datetime.now(UTC)
_ELSEWHEN = datetime(2031, 1, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""The last microsecond of a month that no table holds yet."""


@pytest.fixture(scope="module")
def made(installation: Installation) -> Iterator[Store]:
    with made_store() as made:
        yield made


@pytest.fixture
def writer(made: Store) -> Iterator[psycopg.Connection]:
    with made.connect("AUDIT_DATABASE_URL") as connection:
        # Whoever is stopped says so.
        connection.execute("SET statement_timeout = '20s'")
        yield connection


def _verified(made: Store, tenant: UUID) -> tuple[int, int, tuple[object, ...]]:
    (verdict,) = verifying.verify(
        url=made.url("AUDIT_AUDITOR_DATABASE_URL"), tenants=[tenant], jobs=1
    )
    return verdict.entries, verdict.sequence, verdict.problems


def test_a_chain_goes_on_over_the_upgrade(installation: Installation) -> None:
    tenant, other = uuid4(), uuid4()
    with made_store(scripts=["0001_entries.sql", "0002_several_tenants.sql"]) as old:
        with old.connect("AUDIT_DATABASE_URL") as writer:
            assert append(writer, tenant, [_NOW] * 7) == 7
            assert append(writer, other, [_NOW] * 2) == 2
            with old.connect("AUDIT_MIGRATION_DATABASE_URL") as owner:
                assert store.upgrade(owner, roles()) == store.script_names()[2:]
            assert append(writer, tenant, [_NOW, _ELSEWHEN, _NOW]) == 3

        assert _verified(old, tenant) == (10, 10, ())
        assert _verified(old, other) == (2, 2, ())


def test_of_a_batch_only_what_is_new_is_added_in_its_order(
    made: Store, writer: psycopg.Connection
) -> None:
    tenant, other = uuid4(), uuid4()
    uids = [uuid4() for _ in range(9)]
    at = [_NOW + timedelta(microseconds=number) for number in range(9)]
    append(writer, other, [_NOW])
    assert append(writer, tenant, at[3:5], uids=uids[3:5]) == 2

    assert append(writer, tenant, at, uids=uids) == 7
    assert append(writer, tenant, at, uids=uids) == 0
    assert append(writer, tenant, []) == 0

    with made.connect("AUDIT_AUDITOR_DATABASE_URL") as auditor:
        stored = auditor.execute(
            "SELECT uid FROM audit.entry WHERE tenant_id = %s ORDER BY sequence", [tenant]
        ).fetchall()
    assert [uid for (uid,) in stored] == uids[3:5] + uids[:3] + uids[5:]
    assert _verified(made, tenant) == (9, 9, ())
    assert _verified(made, other) == (1, 1, ())


def test_nobody_chooses_when_an_entry_was_stored(made: Store, writer: psycopg.Connection) -> None:
    tenant = uuid4()
    append(writer, tenant, [_NOW - timedelta(days=40), _ELSEWHEN])

    with made.connect("AUDIT_AUDITOR_DATABASE_URL") as auditor:
        early, late = auditor.execute(
            "SELECT completed_at BETWEEN %s AND now(), completed_at = created_at FROM audit.entry"
            " WHERE tenant_id = %s ORDER BY sequence",
            [_NOW, tenant],
        ).fetchall()
    assert early == (True, False)
    # From a clock that goes ahead of ours: never stored before it was made.
    assert late == (False, True)


def test_writers_of_one_chain_wait_for_each_other(made: Store) -> None:
    tenant = uuid4()

    def add() -> int:
        with made.connect("AUDIT_DATABASE_URL") as connection:
            return sum(append(connection, tenant, [_NOW] * 10) for _ in range(5))

    assert at_once([add] * 4) == [50] * 4
    assert _verified(made, tenant) == (200, 200, ())


def test_whoever_reads_does_not_stop_a_new_month(made: Store, writer: psycopg.Connection) -> None:
    tenant, other = uuid4(), uuid4()
    append(writer, other, [_NOW])
    with (
        made.connect("AUDIT_AUDITOR_DATABASE_URL") as auditor,
        made.connect("AUDIT_DATABASE_URL") as busy,
        auditor.transaction(),
        busy.transaction(),
    ):
        auditor.execute("SELECT count(*) FROM audit.entry")
        append(busy, other, [_NOW])

        month_after = datetime(2032, 3, 1, tzinfo=UTC)
        assert append(writer, tenant, [_NOW, month_after - timedelta(microseconds=1)]) == 2
        assert append(writer, tenant, [month_after]) == 1

        # And nobody waits behind it.
        with made.connect("AUDIT_AUDITOR_DATABASE_URL") as another:
            another.execute("SET statement_timeout = '20s'")
            assert another.execute(
                "SELECT tableoid::regclass::text FROM audit.entry WHERE tenant_id = %s"
                " AND created_at > '2032-01-01' ORDER BY sequence",
                [tenant],
            ).fetchall() == [("audit.entry_2032_02",), ("audit.entry_2032_03",)]
    assert _verified(made, tenant) == (3, 3, ())


def test_two_who_need_the_same_new_month(made: Store) -> None:
    tenants = [uuid4() for _ in range(4)]

    def add(tenant: UUID) -> int:
        with made.connect("AUDIT_DATABASE_URL") as connection:
            return append(connection, tenant, [datetime(2033, 5, 5, tzinfo=UTC)])

    assert at_once([lambda tenant=tenant: add(tenant) for tenant in tenants]) == [1] * 4


def test_the_next_month_is_ready_unless_somebody_is_in_the_way(
    made: Store, writer: psycopg.Connection
) -> None:
    tenant = uuid4()
    table = (_NOW.replace(day=1) + timedelta(days=32)).strftime("audit.entry_%Y_%m")
    with made.connect("AUDIT_ADMIN_DATABASE_URL") as admin:
        append(writer, tenant, [_NOW])
        assert admin.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone() == (True,)
        admin.execute(f"DROP TABLE {table}")  # type: ignore[arg-type]  # a name made above

        with admin.transaction():
            admin.execute("LOCK TABLE audit.entry IN SHARE UPDATE EXCLUSIVE MODE")
            assert append(writer, tenant, [_NOW]) == 1
            assert admin.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,)
        assert append(writer, tenant, [_NOW]) == 1
        assert admin.execute("SELECT to_regclass(%s) IS NOT NULL", [table]).fetchone() == (True,)
    assert _verified(made, tenant) == (3, 3, ())


def test_a_month_has_the_indexes_of_all(made: Store, writer: psycopg.Connection) -> None:
    append(writer, uuid4(), [_NOW])
    with made.connect("AUDIT_ADMIN_DATABASE_URL") as admin:
        of_all, of_month = (
            admin.execute(
                "SELECT count(*) FROM pg_index WHERE indrelid = to_regclass(%s)", [name]
            ).fetchone()
            for name in ("audit.entry", _NOW.strftime("audit.entry_%Y_%m"))
        )
    assert of_month == of_all
    assert of_all >= (6,)
