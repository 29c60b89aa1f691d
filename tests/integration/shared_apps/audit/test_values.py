"""What Python says of a change is what the triggers record of it; and no session can make them write otherwise."""

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.apps.registry import Apps
from django.contrib.postgres.fields import (
    ArrayField,
    DateRangeField,
    DateTimeRangeField,
    DecimalRangeField,
    IntegerRangeField,
)
from django.db import DataError, connection, models
from django.db.models import F
from psycopg.types.range import Range

from shared_apps.audit import triggers
from shared_apps.audit.images import difference
from shared_apps.audit.models import Auditable, AuditPolicy
from shared_apps.audit.values import as_recorded
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.tenants.ownership import TenantModel
from tests.audited import Entry, as_tenant, tables, take
from tests.installation import Installation


class Colour(models.TextChoices):
    RED = "RED", "red"


class Specimen(TenantModel, Auditable):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    text = models.TextField(default="")
    colour = models.CharField(max_length=5, choices=Colour, default=Colour.RED)
    price = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    whole = models.DecimalField(max_digits=12, decimal_places=0, null=True)
    ratio = models.FloatField(null=True)
    at = models.DateTimeField(null=True)
    day = models.DateField(null=True)
    clock = models.TimeField(null=True)
    lasts = models.DurationField(null=True)
    raw = models.BinaryField(null=True)
    photo = models.ImageField(null=True)
    data = models.JSONField(null=True)
    ip = models.GenericIPAddressField(null=True)
    parent = models.ForeignKey("self", models.DO_NOTHING, null=True, db_constraint=False)
    moments = ArrayField(models.DateTimeField(), null=True)
    prices = ArrayField(ArrayField(models.DecimalField(max_digits=9, decimal_places=3)), null=True)
    numbers = IntegerRangeField(null=True)
    amounts = DecimalRangeField(null=True)
    days = DateRangeField(null=True)
    span = DateTimeRangeField(null=True)

    class Meta:
        apps = Apps(["tests"])
        app_label = "tests"


class Secretive(TenantModel, Auditable):
    audit = AuditPolicy(exclude=("seen",), redact=("secret",))

    id = models.IntegerField(primary_key=True)
    secret = models.TextField()
    seen = models.IntegerField(default=0)

    class Meta:
        apps = Apps(["tests"])
        app_label = "tests"


_AUDITED = [triggers.describe(Specimen), triggers.describe(Secretive)]
_MAKE = """
CREATE TABLE tests_specimen (id uuid PRIMARY KEY, text text, colour varchar(5), price numeric(12, 2), whole numeric(12),
    ratio float8, at timestamptz, day date, clock time, lasts interval, raw bytea, photo varchar(100), data jsonb, ip inet,
    parent_id uuid, moments timestamptz[], prices numeric(9, 3)[][], numbers int4range, amounts numrange, days daterange,
    span tstzrange);
CREATE TABLE tests_secretive (id int PRIMARY KEY, secret text, seen int);
"""
_KEY = uuid.UUID("0e0e0e0e-0000-4000-8000-000000000001")
_BERLIN = timezone(timedelta(hours=2))
_AT = datetime(2026, 7, 1, 0, 30, 1, 500000, tzinfo=_BERLIN)

# Field and value → what the trail says.
VALUES: list[tuple[str, Any, Any]] = [
    ("text", "", ""),
    ("text", "Zürich 🏔 'quoted' \\ \n", "Zürich 🏔 'quoted' \\ \n"),
    ("text", "x" * 1_000_000, "x" * 1_000_000),
    ("colour", Colour.RED, "RED"),
    ("price", Decimal("10.50"), "10.50"),
    ("price", Decimal("10.5"), "10.50"),
    ("price", Decimal("-0.005"), "-0.01"),
    ("price", Decimal("1E+3"), "1000.00"),
    ("whole", Decimal(7), 7),
    ("ratio", 0.1 + 0.2, "0.30000000000000004"),
    ("ratio", 1e22, 10**22),
    ("ratio", 1e-7, "0.0000001"),
    ("ratio", 3.0, 3),
    ("ratio", float("inf"), "Infinity"),
    ("ratio", float("-inf"), "-Infinity"),
    ("ratio", float("nan"), "NaN"),
    ("at", _AT, "2026-06-30T22:30:01.5+00:00"),
    ("at", datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "2026-10-25T01:30:00+00:00"),
    ("at", datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00+00:00"),
    ("day", date(2026, 2, 3), "2026-02-03"),
    ("clock", time(7, 8, 9, 10), "07:08:09.00001"),
    ("lasts", timedelta(days=1, hours=2, microseconds=500000), "1 day 02:00:00.5"),
    ("lasts", timedelta(hours=-2), "-1 days +22:00:00"),
    ("lasts", timedelta(0), "00:00:00"),
    ("lasts", timedelta(days=400), "400 days"),
    ("raw", b"\x00\xff\\", "\\x00ff5c"),
    ("photo", "people/anna.png", "people/anna.png"),
    ("data", {"a": [1, 1.50, None, True], "b": {"c": "d"}}, {"a": [1, "1.5", None, True], "b": {"c": "d"}}),
    ("data", [1e22, 1e-7], [10**22, "0.0000001"]),
    ("ip", "10.0.0.1", "10.0.0.1"),
    ("ip", "2001:db8::1", "2001:db8::1"),
    ("parent_id", _KEY, str(_KEY)),
    ("moments", [_AT, None], ["2026-06-30T22:30:01.5+00:00", None]),
    ("moments", [], []),
    ("prices", [[Decimal("1.5"), Decimal(2)]], [["1.500", "2.000"]]),
    ("numbers", Range(1, 5, "[]"), "[1,6)"),
    ("numbers", Range(None, 5, "()"), "(,5)"),
    ("numbers", Range(empty=True), "empty"),
    ("amounts", Range(Decimal("1.50"), Decimal(2), "(]"), "(1.50,2]"),
    ("days", Range(date(2026, 1, 1), date(2026, 1, 31), "[]"), "[2026-01-01,2026-02-01)"),
    ("span", Range(_AT, None), '["2026-06-30 22:30:01.5+00",)'),
]  # fmt: skip

# Each by itself would change what to_jsonb writes of some type.
HOSTILE = {
    "TimeZone": "Asia/Kathmandu",
    "DateStyle": "SQL, DMY",
    "IntervalStyle": "iso_8601",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_custom_plan",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
}


@pytest.fixture
def made(system: Installation, acme: TenantIdentity, globex: TenantIdentity) -> Iterator[None]:
    with tables(system, acme, globex, make=_MAKE, audited=_AUDITED):
        yield


def test_python_says_of_every_value_what_the_trigger_records(
    made: None, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with context.tenant(acme):
        rows = [Specimen(**{name: value}) for name, value, _ in VALUES]
        for row in rows:
            row.save()

    entries = take(system, acme)
    assert len(entries) == len(VALUES)
    for (name, value, expected), row, entry in zip(VALUES, rows, entries, strict=True):
        field = Specimen._meta.get_field(name)
        assert entry.new is not None
        assert (name, entry.record_id, entry.new[name]) == (name, str(row.id), expected)
        assert (name, as_recorded(field, value)) == (name, expected)
    # And again of what was loaded, which is of other types (memoryview, Range, a file).
    with context.tenant(acme):
        loaded = {row.id: row for row in Specimen.objects.all()}
    for (name, _, expected), row in zip(VALUES, rows, strict=True):
        field = Specimen._meta.get_field(name)
        assert (name, as_recorded(field, getattr(loaded[row.id], field.attname))) == (
            name,
            expected,
        )
        assert loaded[row.id].changed_fields() == ()
    assert take(system, globex) == []


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"], ids=["NUL", "lone surrogate"])
@pytest.mark.parametrize("name", ["text", "data"])
def test_what_postgresql_cannot_hold_is_refused_and_not_recorded(
    made: None, system: Installation, acme: TenantIdentity, name: str, text: str
) -> None:
    with context.tenant(acme), pytest.raises((DataError, ValueError)):
        Specimen(**{name: [text] if name == "data" else text}).save()
    assert take(system, acme) == []


def test_no_setting_of_a_session_changes_what_is_recorded(
    made: None, system: Installation, acme: TenantIdentity
) -> None:
    change = (
        "INSERT INTO tests_specimen (id, price, ratio, at, day, lasts, raw, moments, days, span) VALUES (gen_random_uuid(), 'NaN',"
        " 0.1::float8 + 0.2::float8, '2026-07-01 00:30+02', '2026-02-03', 'P1DT2H', '\\x00ff', ARRAY['2026-07-01 00:30+02'"
        "::timestamptz], '[2026-02-03,2026-02-05)', '[2026-07-01 00:30+02,)');"
        " UPDATE tests_specimen SET ratio = ratio * 3, id = '0e0e0e0e-0000-4000-8000-000000000001';"
        " DELETE FROM tests_specimen"
    )
    with as_tenant(acme) as quiet:
        quiet.execute(change)
    expected = take(system, acme)
    with as_tenant(acme, **HOSTILE) as hostile:
        hostile.execute(change)
        # The function leaves them as they were.
        for name, value in HOSTILE.items():
            assert hostile.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)

    # Which comes first, the end of one record or the start of another, is left to the join.
    found = sorted((_without_key(entry) for entry in take(system, acme)), key=str)
    assert found == sorted(map(_without_key, expected), key=str)
    assert expected[0].new is not None
    assert expected[0].new["price"] == "NaN"
    assert expected[0].new["ratio"] == "0.30000000000000004"
    assert expected[0].new["lasts"] == "1 day 02:00:00"
    assert expected[0].new["raw"] == "\\x00ff"
    assert expected[0].new["span"] == '["2026-06-30 22:30:00+00",)'


def _without_key(entry: Entry) -> Entry:
    """A random one is the first row's."""
    images = [image and {**image, "id": ""} for image in (entry.old, entry.new)]
    return entry._replace(record_id="", old=images[0], new=images[1])


def test_a_diff_is_that_of_the_entry(
    made: None, system: Installation, acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        Specimen(id=_KEY, price=Decimal("10.50"), data={"a": [1]}, moments=[_AT]).save()
        row = Specimen.objects.get()
        row.price += 1
        row.text = "new"
        row.data["a"].append(2)
        row.ratio = None
        assert row.changed_fields() == ("text", "price", "data")
        said = row.diff()
        assert said == {
            "text": {"old": "", "new": "new"},
            "price": {"old": "10.50", "new": "11.50"},
            "data": {"old": {"a": [1]}, "new": {"a": [1, 2]}},
        }
        row.save()
        assert row.changed_fields() == ()

    entry = _texts(system, acme)[1]
    assert difference(*entry) == said


def test_what_was_not_loaded_makes_no_false_difference(
    made: None, system: Installation, acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        Specimen(id=_KEY, text="a", price=Decimal(1), data={"n": 1}).save()
        take(system, acme)
        row = Specimen.objects.only("text").get()
        assert row.diff() == {}
        row.save()
        assert take(system, acme) == []
        assert row.price == Decimal(1)  # loaded now
        assert row.diff() == {}
        row.data = {"n": 2}  # assigned without being loaded
        row.text = "b"
        assert row.diff() == {"text": {"old": "a", "new": "b"}, "data": {"new": {"n": 2}}}
        row.price = F("price") + 1
        assert row.changed_fields() == ("text", "price", "data")
        assert row.diff()["price"] == {"old": "1.00"}
        row.save(update_fields=["price", "data"])
        row.refresh_from_db(fields=["price"])
        assert row.diff() == {"text": {"old": "a", "new": "b"}}
        assert row.price == Decimal(2)


def test_a_diff_tells_no_more_than_the_trail(
    made: None, system: Installation, acme: TenantIdentity
) -> None:
    with context.tenant(acme):
        new = Secretive(id=1, secret="hunter2")
        assert new.diff() == {
            "id": {"old": None, "new": 1},
            "secret": {"old": None, "new": "[redacted]"},
        }
        new.save()
        new.secret, new.seen = "hunter3", 5
        assert new.diff() == {"secret": {"old": "[redacted]", "new": "[redacted: changed]"}}
        said = new.diff()
        new.save()

    assert difference(*_texts(system, acme)[1]) == said


def test_tracking_asks_no_database(made: None, acme: TenantIdentity) -> None:
    with context.tenant(acme):
        Specimen(id=_KEY).save()
        row = Specimen.objects.only("text").get()
        queries: list[str] = []

        def count(execute: Any, statement: str, *rest: Any) -> Any:
            queries.append(statement)
            return execute(statement, *rest)

        with connection.execute_wrapper(count):
            row.text = "b"
            assert row.changed_fields() == ("text",)
            assert row.diff() == {"text": {"old": "", "new": "b"}}
        assert queries == []


def _texts(system: Installation, tenant: TenantIdentity) -> list[tuple[str | None, str | None]]:
    with system.owner() as owner:
        return owner.execute(
            f"SELECT old_values::text, new_values::text FROM {tenant.schema}.audit_outbox ORDER BY id"
        ).fetchall()


def test_a_write_into_another_tenant_is_refused_and_a_temporary_outbox_catches_nothing(
    made: None, system: Installation, acme: TenantIdentity, globex: TenantIdentity
) -> None:
    with as_tenant(acme) as connection:
        for statement in (
            f"INSERT INTO {globex.schema}.tests_secretive VALUES (1, 'x', 0)",
            f"INSERT INTO {globex.schema}.audit_outbox (table_name, operation, database_role) VALUES ('x', 'CREATE', 'x')",
            "INSERT INTO audit_outbox (table_name, operation, database_role) VALUES ('x', 'CREATE', 'x')",
            "DELETE FROM audit_outbox",
            f"CREATE TRIGGER mine AFTER INSERT ON tests_secretive EXECUTE FUNCTION {acme.schema}.audit_capture('id', '{{}}')",
            f"SELECT {acme.schema}.audit_capture()",
            "ALTER TABLE tests_secretive DISABLE TRIGGER audit_insert",
            "SET session_replication_role = replica",
        ):
            with pytest.raises(
                (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported)
            ):
                connection.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TEMPORARY TABLE audit_outbox (LIKE audit_outbox)")
        connection.execute("SET search_path = pg_temp, public")
        connection.execute("SET freehold.attribution = 'no json'")
        connection.execute(f"INSERT INTO {acme.schema}.tests_secretive VALUES (1, 'x', 0)")
    # Whoever may make temporary tables gains nothing by them.
    with system.owner() as owner:
        owner.execute(f"CREATE TEMPORARY TABLE audit_outbox (LIKE {acme.schema}.audit_outbox)")
        owner.execute("CREATE TEMPORARY TABLE new_rows (id int, secret text, seen int)")
        owner.execute(f"SET search_path = pg_temp, {globex.schema}")
        owner.execute(f"INSERT INTO {acme.schema}.tests_secretive VALUES (2, 'x', 0)")
        assert owner.execute("SELECT count(*) FROM pg_temp.audit_outbox").fetchone() == (0,)
        login = owner.info.user

    with system.owner() as owner:
        written = owner.execute(
            "SELECT record_id, coalesce(attribution, ''), database_role"
            f" FROM {acme.schema}.audit_outbox ORDER BY id"
        ).fetchall()
    # Whoever runs SQL can say that it was somebody else; the role is recorded beside it, and nobody sets that.
    assert written == [("1", "no json", acme.role), ("2", "", login)]
    # By its own schema's name, whatever the path says: the table decides where it is recorded.
    assert take(system, globex) == []


def test_one_plan_that_suits_large_changes_is_kept(
    made: None, system: Installation, acme: TenantIdentity
) -> None:
    """After single rows PostgreSQL would keep a nested loop (10,000 times 10,000 comparisons), and after
    a large change it would plan anew for every single row."""
    plans: list[str] = []
    with as_tenant(acme, debug_print_plan="on", client_min_messages="log") as connection:
        connection.add_notice_handler(lambda notice: plans.append(notice.message_detail or ""))
        connection.execute(
            "INSERT INTO tests_secretive SELECT n, '', 0 FROM generate_series(1, 10000) n"
        )
        for number in range(1, 11):
            connection.execute("UPDATE tests_secretive SET secret = 'b' WHERE id = %s", [number])
        connection.execute("UPDATE tests_secretive SET secret = 'c'")
        connection.execute("UPDATE tests_secretive SET secret = 'd' WHERE id = 1")

    joins = [plan for plan in plans if plan.count("{NAMEDTUPLESTORESCAN") == 2]
    # Once, and once more when the outbox is vacuumed meanwhile; not for each of the twelve changes.
    assert 1 <= len(joins) <= 3
    for plan in joins:
        assert ("{HASHJOIN" in plan or "{MERGEJOIN" in plan, "{NESTLOOP" in plan) == (True, False)
    assert len(take(system, acme)) == 10_000 + 10 + 10_000 + 1
