"""A tenant as it was at a moment after its archive: what the trail says became of the rows."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import attribution, context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import services as fleet
from shared_apps.onboarding import services
from shared_apps.onboarding.archive import loading, sequences
from shared_apps.tenants import selectors
from tests.ended import Ended
from tests.installation import Installation
from tests.integration.shared_apps.onboarding.console import Console, tenant
from tests.integration.shared_apps.onboarding.test_restore import nothing_is_left, rows

_NEW = (
    "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_at, created_by)"
    " VALUES (gen_random_uuid(), %s, '', '', '', now(), gen_random_uuid())"
)


@dataclass(frozen=True)
class Past:
    """A tenant's archive and the connection that goes on changing it."""

    identity: TenantIdentity
    archive: Path
    work: psycopg.Connection[Any]
    system: Installation
    console: Console

    def run(self, statement: str, *values: object) -> None:
        self.work.execute(statement, values)

    def now(self) -> datetime:
        """By the clock that stamps the trail, after all that was done."""
        row = self.work.execute("SELECT clock_timestamp()").fetchone()
        assert row is not None
        return row[0].astimezone(UTC)

    def rows(self) -> dict[str, list[str]]:
        return rows(self.system, self.identity.schema)

    def restore(self, until: datetime | str) -> Ended:
        text = until if isinstance(until, str) else until.isoformat()
        to = ["--as", "initech2", "--domain", "initech2.localhost"]
        return self.console.run("restore", str(self.archive), *to, "--until", text, "--json")

    def restored(self, until: datetime) -> dict[str, list[str]]:
        self.system.relay()
        ended = self.restore(until)
        assert ended.code == 0, ended.err
        return rows(self.system, selectors.get_tenant(slug="initech2").identity.schema)


@contextmanager
def working_in(system: Installation, identity: TenantIdentity) -> Iterator[psycopg.Connection[Any]]:
    """Statements of the application in the tenant, each its own transaction unless told otherwise."""
    with system.owner() as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(identity.schema)))
        yield connection


@pytest.fixture
def past(console: Console, system: Installation, tmp_path: Path) -> Iterator[Past]:
    console.declare(tenant("initech", setup="[dev_demo_data]"))
    applied = console.apply()
    assert applied.code == 0, applied.err
    identity = selectors.get_tenant(slug="initech").identity
    path = tmp_path / "initech.tar.gz"
    with working_in(system, identity) as work:
        work.execute(_NEW, ["Before"])
        system.relay()
        # Neither in the archive nor, while it is written, in the audit database.
        work.execute(_NEW, ["Waiting"])
        with context.operator(), attribution.acting(attribution.command("test")):
            services.export_tenant(slug="initech", path=path, at=datetime.now(UTC))
        yield Past(identity, path, work, system, console)


def test_rows_are_those_of_the_moment(past: Past) -> None:
    past.run(_NEW, "Made later")
    past.run("UPDATE invoicing_vendor SET name = name || '!' WHERE name = 'Before'")
    past.run("UPDATE invoicing_vendor SET name = name || '?' WHERE name = 'Before!'")
    past.run(_NEW, "Made and gone")
    past.run("DELETE FROM invoicing_vendor WHERE name = 'Made and gone'")
    past.run("DELETE FROM invoicing_vendor WHERE name = 'Waiting'")
    past.run("UPDATE invoicing_vendor SET id = gen_random_uuid() WHERE name = 'Made later'")
    expected, moment = past.rows(), past.now()
    past.run("TRUNCATE invoicing_vendor CASCADE")

    assert past.restored(moment) == expected
    assert past.rows() != expected
    with context.operator():
        assert fleet.find_breaches() == []


def test_what_was_emptied_by_mistake_is_back(past: Past) -> None:
    """Invoices with their items, which neither the application nor a trigger would let anyone write."""
    past.run("UPDATE invoicing_vendor SET name = name || ' AG'")
    expected, moment = past.rows(), past.now()
    assert any("ISSUED" in row for row in expected["invoicing_invoice"])
    past.run("ALTER TABLE invoicing_invoice DISABLE TRIGGER USER")
    past.run("ALTER TABLE invoicing_invoiceitem DISABLE TRIGGER USER")
    for table in ("invoicing_invoiceitem", "invoicing_invoice"):
        past.run(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_delete")
        past.run(f"DELETE FROM {table}")

    assert past.restored(moment) == expected


def test_values_that_must_be_unique_may_change_hands(past: Past) -> None:
    past.run("DELETE FROM invoicing_vendor WHERE name = 'Before'")
    past.run(
        "INSERT INTO invoicing_invoicenumbercounter (id, year, last_number)"
        " VALUES (gen_random_uuid(), 1901, 1), (gen_random_uuid(), 1902, 2)"
    )
    past.run("UPDATE invoicing_invoicenumbercounter SET year = 1903 WHERE year = 1901")
    past.run("UPDATE invoicing_invoicenumbercounter SET year = 1901 WHERE year = 1902")
    expected, moment = past.rows(), past.now()

    assert past.restored(moment) == expected


def test_a_transaction_is_in_whole_or_not_at_all(past: Past) -> None:
    """One that has changed something before the moment and something after it is later."""
    past.run(_NEW, "Whole")
    expected = past.rows()
    with past.work.transaction():
        past.run(_NEW, "Straddles")
        moment = past.now()
        past.run(_NEW, "Straddles too")

    assert past.restored(moment) == expected


def test_what_was_open_during_the_export_is_replayed(
    console: Console, system: Installation, tmp_path: Path
) -> None:
    console.declare(tenant("initech"))
    assert console.apply().code == 0
    identity = selectors.get_tenant(slug="initech").identity
    path = tmp_path / "initech.tar.gz"
    with working_in(system, identity) as work:
        past = Past(identity, path, work, system, console)
        with work.transaction():
            past.run(_NEW, "Open")
            with context.operator(), attribution.acting(attribution.command("test")):
                services.export_tenant(slug="initech", path=path, at=datetime.now(UTC))
        expected, moment = past.rows(), past.now()

        assert len(expected["invoicing_vendor"]) == 1
        assert past.restored(moment) == expected


def test_a_tenant_that_is_gone_comes_back_as_of_the_moment(past: Past, tmp_path: Path) -> None:
    past.run(_NEW, "The last one")
    expected, moment = past.rows(), past.now()
    past.run(_NEW, "Too late")
    past.system.relay()
    deleted = past.console.run(
        "delete", "initech", "--now", "--confirm", "initech", "--without-backup", "initech"
    )
    assert deleted.code == 0, deleted.err

    assert past.restored(moment) == expected


def test_numbers_go_on_after_those_that_were_replayed(system: Installation) -> None:
    """The trail does not record sequences."""
    with system.owner() as owner:
        owner.execute("CREATE SCHEMA numbered")
        owner.execute(
            "CREATE TABLE numbered.behind (id bigint GENERATED BY DEFAULT AS IDENTITY);"
            "CREATE TABLE numbered.ahead (id bigint GENERATED BY DEFAULT AS IDENTITY);"
            "CREATE TABLE numbered.untouched (id bigint GENERATED BY DEFAULT AS IDENTITY);"
            "INSERT INTO numbered.behind VALUES (7), (1);"
            "INSERT INTO numbered.ahead VALUES (3);"
            "SELECT setval('numbered.ahead_id_seq', 40)"
        )

        sequences.raise_to_rows(owner.cursor(), schema="numbered")

        following = [
            owner.execute(f"SELECT nextval('numbered.{table}_id_seq')").fetchone()
            for table in ("behind", "ahead", "untouched")
        ]
        owner.rollback()
    assert following == [(8,), (41,), (1,)]


def test_the_trail_says_until_when(past: Past) -> None:
    past.run(_NEW, "One")
    moment = past.now()
    past.restored(moment)
    past.system.relay()
    copy = selectors.get_tenant(slug="initech2").identity

    entries = list_entries(
        tenant_id=copy.id, where=EntryFilter(entity_type=loading.RESTORED), limit=9
    )

    (said,) = [json.loads(entry.new_values or "") for entry in entries]
    assert (said["until"], said["changes"]) == (moment.isoformat(), 1)


@pytest.mark.parametrize(
    ("until", "says"),
    [
        (lambda past: past.now() - timedelta(days=1), "needs an earlier archive"),
        (lambda past: past.now() + timedelta(days=1), "has not come yet"),
        (lambda past: "2026-13-01", "no time"),
        (lambda past: "2026-05-01T10:00:00", "distance to UTC"),
    ],
)
def test_a_moment_that_cannot_be_is_refused(
    past: Past, until: Callable[[Past], datetime | str], says: str
) -> None:
    past.system.relay()

    ended = past.restore(until(past))

    assert ended.code != 0
    assert says in ended.err
    assert nothing_is_left(past.system)


def test_changes_that_the_relay_has_not_moved_are_waited_for(past: Past) -> None:
    past.run(_NEW, "Not moved")

    ended = past.restore(past.now())

    assert ended.code == 1
    assert "2 changes before that moment are not in the audit database yet" in ended.err
    assert nothing_is_left(past.system)


@pytest.mark.parametrize(
    ("tampering", "says"),
    [
        ("DELETE FROM audit.entry WHERE {first}", "has a hole"),
        ("DELETE FROM audit.entry", "does not hold the trail"),
        (
            "UPDATE audit.entry SET old_values = jsonb_set(old_values::jsonb, '{{name}}', '\"x\"')::json"
            " WHERE {first}",
            "does not go on from the archive's rows",
        ),
        (
            "UPDATE audit.entry SET old_values = jsonb_set(old_values::jsonb, '{{name}}', '\"x\"')::json"
            " WHERE {last}",
            "has a hole",
        ),
        ("UPDATE audit.entry SET transaction_id = '3' WHERE {last}", "another database cluster"),
    ],
)
def test_a_trail_that_does_not_fit_is_refused(past: Past, tampering: str, says: str) -> None:
    past.run("UPDATE invoicing_vendor SET name = 'First' WHERE name = 'Before'")
    past.run("UPDATE invoicing_vendor SET name = 'Second' WHERE name = 'First'")
    past.system.relay()
    moment = past.now()
    of = "tenant_id = '{id}' AND new_values ->> 'name' = '{name}' AND operation = 'UPDATE'"
    first = of.format(id=past.identity.id, name="First")
    last = of.format(id=past.identity.id, name="Second")
    with psycopg.connect(_audit_owner(), autocommit=True) as audit:
        audit.execute("CREATE TABLE kept AS SELECT * FROM audit.entry")
        try:
            audit.execute(tampering.format(first=first, last=last))
            ended = past.restore(moment)
        finally:
            audit.execute("DELETE FROM audit.entry")
            audit.execute("INSERT INTO audit.entry SELECT * FROM kept")
            audit.execute("DROP TABLE kept")

    assert ended.code == 1
    assert says in ended.err
    assert nothing_is_left(past.system)


def _audit_owner() -> str:
    """The audit database as the server's administrator: no login of the product may change it."""
    name = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    return psycopg.conninfo.make_conninfo(settings.AUDIT_ADMIN_DATABASE_URL, dbname=name)
