"""Partitions, tables that inherit, keys of several columns, fields whose values are not told."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from shared_apps.audit.capture import record_id_of
from shared_apps.audit.triggers import AuditedTable
from shared_apps.core.context import TenantIdentity
from tests.audited import Entry, as_tenant, seal, tables, take
from tests.installation import Installation

_READING = [AuditedTable("reading", ("region", "id"), (), (), "sensors.reading")]
_PARTITIONED = """
CREATE TABLE reading (region text, id int, value numeric, PRIMARY KEY (region, id)) PARTITION BY LIST (region);
CREATE TABLE reading_north PARTITION OF reading FOR VALUES IN ('north');
CREATE TABLE reading_other PARTITION OF reading DEFAULT PARTITION BY RANGE (region, id);
CREATE TABLE reading_other_1 PARTITION OF reading_other FOR VALUES FROM (MINVALUE, MINVALUE) TO (MAXVALUE, MAXVALUE);
INSERT INTO reading VALUES ('north', 1, 1.50), ('south', 2, 2.0);
"""


@pytest.fixture
def readings(system: Installation, acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    with tables(system, acme, globex, make=_PARTITIONED, audited=_READING):
        yield


def row(region: str, id: int, value: str | int) -> dict[str, str | int]:
    return {"region": region, "id": id, "value": value}


def entry(region: str, id: int, old: str | int | None, new: str | int | None) -> Entry:
    operation = "CREATE" if old is None else "DELETE" if new is None else "UPDATE"
    return Entry(
        "reading", operation, f'["{region}", {id}]',
        None if old is None else row(region, id, old), None if new is None else row(region, id, new),
    )  # fmt: skip


N1, S2 = ("north", 1), ("south", 2)
ON_PARTITIONS = {
    "INSERT INTO reading VALUES ('north', 3, 1), ('west', 4, 1)":
        [entry("north", 3, None, 1), entry("west", 4, None, 1)],
    "INSERT INTO reading_north VALUES ('north', 3, 1)": [entry("north", 3, None, 1)],
    "INSERT INTO reading_other VALUES ('west', 3, 1)": [entry("west", 3, None, 1)],
    "INSERT INTO reading_other_1 VALUES ('west', 3, 1)": [entry("west", 3, None, 1)],
    "UPDATE reading SET value = value + 1": [entry(*N1, "1.50", "2.50"), entry(*S2, "2.0", "3.0")],
    "UPDATE reading_north SET value = 9": [entry(*N1, "1.50", 9)],
    "UPDATE reading_other SET value = 9": [entry(*S2, "2.0", 9)],
    # As text: 1.5 equals 1.50, and is not what is stored.
    "UPDATE reading SET value = 1.5 WHERE id = 1": [entry(*N1, "1.50", "1.5")],
    "UPDATE reading SET region = 'west' WHERE id = 1":
        [entry(*N1, "1.50", None), entry("west", 1, None, "1.50")],
    "UPDATE reading_other SET region = 'west'": [entry(*S2, "2.0", None), entry("west", 2, None, "2.0")],
    "INSERT INTO reading VALUES ('north', 1, 7) ON CONFLICT (region, id) DO UPDATE SET value = excluded.value":
        [entry(*N1, "1.50", 7)],
    "MERGE INTO reading r USING (VALUES ('north', 1), ('west', 3)) s (region, id)"
    " ON r.region = s.region AND r.id = s.id WHEN MATCHED THEN UPDATE SET value = 8 WHEN NOT MATCHED THEN INSERT VALUES (s.region, s.id, 0)":
        [entry(*N1, "1.50", 8), entry("west", 3, None, 0)],
    "DELETE FROM reading": [entry(*N1, "1.50", None), entry(*S2, "2.0", None)],
    "DELETE FROM reading_other_1": [entry(*S2, "2.0", None)],
    "TRUNCATE reading": [entry(*N1, "1.50", None), entry(*S2, "2.0", None)],
    "TRUNCATE reading_other": [entry(*S2, "2.0", None)],
    "TRUNCATE reading_other_1": [entry(*S2, "2.0", None)],
    # What becomes of rows when a partition comes or goes is DDL, of the owner alone; later changes count.
    "ALTER TABLE reading DETACH PARTITION reading_north; UPDATE reading_north SET value = 3; DROP TABLE reading_north":
        [entry(*N1, "1.50", 3)],
}  # fmt: skip


@pytest.mark.parametrize("statement", ON_PARTITIONS, ids=lambda text: text[:60])
def test_every_path_into_a_partitioned_table_is_recorded_once(
    readings: None,
    system: Installation,
    acme: TenantIdentity,
    globex: TenantIdentity,
    statement: str,
) -> None:
    as_owner(system, acme, statement)

    assert by_record(take(system, acme)) == by_record(ON_PARTITIONS[statement])
    assert take(system, globex) == []


def test_a_partition_without_triggers_is_found_and_its_rows_are_not_truncated_unseen(
    readings: None, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    add = "CREATE TABLE reading_east PARTITION OF reading FOR VALUES IN ('east')"
    as_owner(system, acme, add)
    with as_tenant(acme) as tenant:
        tenant.execute("INSERT INTO reading VALUES ('east', 5, 1)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tenant.execute("INSERT INTO reading_east VALUES ('east', 6, 1)")
    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match="reading_east is not audited"
    ):
        as_owner(system, acme, "TRUNCATE reading")

    assert seal(acme, _READING) == ["reading_east"]
    as_owner(system, acme, "TRUNCATE reading")

    assert take(system, acme) == [
        entry("east", 5, None, 1), entry(*N1, "1.50", None), entry("east", 5, 1, None), entry(*S2, "2.0", None),
    ]  # fmt: skip
    assert seal(globex, _READING) == []


def test_a_table_that_inherits_is_recorded_under_its_parents_name(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    make = "CREATE TABLE base (id int PRIMARY KEY); CREATE TABLE heir (PRIMARY KEY (id)) INHERITS (base)"
    with tables(
        system, acme, globex, make=make, audited=[AuditedTable("base", ("id",), (), (), "a.base")]
    ):
        as_owner(system, acme, "INSERT INTO heir VALUES (1); INSERT INTO base VALUES (2)")
        as_owner(system, acme, "UPDATE base SET id = id + 10; TRUNCATE base")
        found = [(e.table, e.operation, e.record_id) for e in take(system, acme)]
    assert {table for table, *_ in found} == {"base"}
    assert sorted(found[2:6]) == [("base", "CREATE", "11"), ("base", "CREATE", "12"),
                                  ("base", "DELETE", "1"), ("base", "DELETE", "2")]  # fmt: skip
    assert sorted(found[:2] + found[6:]) == [("base", "CREATE", "1"), ("base", "CREATE", "2"),
                                             ("base", "DELETE", "11"), ("base", "DELETE", "12")]  # fmt: skip


def test_the_name_of_a_record_is_the_same_in_sql_of_ours(
    readings: None, system: Installation, acme: TenantIdentity
) -> None:
    """Whoever compares the trail with a table (a restore, a reconciliation) computes it."""
    expression = record_id_of("to_jsonb(r)", ("region", "id"))
    with system.owner() as owner:
        query = sql.SQL("SELECT {} FROM {} r ORDER BY id").format(
            expression, sql.Identifier(acme.schema, "reading")
        )
        assert owner.execute(query).fetchall() == [('["north", 1]',), ('["south", 2]',)]


_ACCOUNT = [AuditedTable("account", ("id",), ("seen",), ("secret", "pin"), "bank.account")]
_MAKE_ACCOUNT = (
    "CREATE TABLE account (id int PRIMARY KEY, name text, secret text, pin int, seen int)"
)
HIDDEN, CHANGED = "[redacted]", "[redacted: changed]"


@pytest.fixture
def accounts(system: Installation, acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    with tables(system, acme, globex, make=_MAKE_ACCOUNT, audited=_ACCOUNT):
        yield


def account(name: str, secret: str = HIDDEN, pin: str = HIDDEN) -> dict[str, str | int]:
    return {"id": 1, "name": name, "secret": secret, "pin": pin}


def test_of_redacted_fields_only_the_change_is_told(
    accounts: None, system: Installation, acme: TenantIdentity
) -> None:
    for statement in (
        "INSERT INTO account VALUES (1, 'a', 'hunter2', 1234, 0)",
        "UPDATE account SET secret = 'hunter3', seen = 1",
        "UPDATE account SET name = 'b'",
        "UPDATE account SET seen = 2",
        "UPDATE account SET secret = secret, pin = NULL",
        "UPDATE account SET secret = 'hunter4' WHERE FALSE",
        "DELETE FROM account",
        "INSERT INTO account VALUES (1, 'a', 'hunter2', 1234, 0)",
        "TRUNCATE account",
    ):
        as_owner(system, acme, statement)

    assert [entry[1:] for entry in take(system, acme)] == [
        ("CREATE", "1", None, account("a")),
        ("UPDATE", "1", account("a"), account("a", secret=CHANGED)),
        ("UPDATE", "1", account("a"), account("b")),
        ("UPDATE", "1", account("b"), account("b", pin=CHANGED)),
        ("DELETE", "1", account("b"), None),
        ("CREATE", "1", None, account("a")),
        ("DELETE", "1", account("a"), None),
    ]


@pytest.mark.parametrize("column", ["secret", "seen"])
def test_a_renamed_column_is_not_told_before_the_triggers_know(
    accounts: None, system: Installation, acme: TenantIdentity, column: str
) -> None:
    """As in a migration that renames a field and then fills it."""
    as_owner(
        system, acme,
        f"ALTER TABLE account RENAME {column} TO other; INSERT INTO account VALUES (1, 'a', 'hunter2', 1234, 77);"
        "UPDATE account SET other = '88', name = 'b'; DELETE FROM account",
    )  # fmt: skip

    found = take(system, acme)
    assert [entry.operation for entry in found] == ["CREATE", "UPDATE", "DELETE"]
    assert not any(value in str(found) for value in ("hunter2", "88", "77", "1234", "'a'", "'b'"))
    assert found[1].new is not None
    assert {name for name, value in found[1].new.items() if value == CHANGED} == {"name", "other"}


def by_record(entries: list[Entry]) -> dict[str | None, list[Entry]]:
    """Entries of one record have an order; the rows of one statement have none."""
    found: dict[str | None, list[Entry]] = {}
    for each in entries:
        found.setdefault(each.record_id, []).append(each)
    return found


def as_owner(system: Installation, tenant: TenantIdentity, statement: str) -> None:
    with system.owner() as owner:
        owner.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(tenant.schema)))
        owner.execute(statement)  # type: ignore[call-overload]  # a test's own text
