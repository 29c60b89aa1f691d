"""A tenant from the pool of spare schemas is one from the template, whatever became of the spare."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import Error, ProgrammingError, connections
from psycopg import sql

from shared_apps.audit.selectors import EntryFilter, list_entries
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import drift, replay, roles, services
from shared_apps.fleet.catalogue import objects
from shared_apps.fleet.errors import SharedSchemaVersionError, SpareError
from shared_apps.fleet.services import MIGRATION_ALIAS
from shared_apps.fleet.spares import claiming, pool
from tests.concurrency import at_once
from tests.fleet import Fleet, identity_of
from tests.installation import Installation
from tests.integration.shared_apps.fleet.test_template import RICH
from tests.spares import emptied_afterwards, fill, there_are


# One of everything, from the test of the template.
def rich(more: str) -> str:
    return RICH.rstrip().removesuffix("]") + signed(more).split("operations = [")[1]


def signed(statement: str) -> str:
    """A migration whose statement says the name of the schema that it runs in."""
    return (
        'seeds_tenants = True\noperations = [migrations.RunSQL("""DO $do$ BEGIN EXECUTE replace('
        f'$made${statement}$made$, \'<schema>\', current_schema()); END $do$""")]'
    )


VENDOR = (
    "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_at, created_by)"
    " VALUES (gen_random_uuid(), 'Ada', '', '', '', now(), gen_random_uuid())"
)


@pytest.fixture(autouse=True)
def emptied(fleet: Fleet) -> Iterator[None]:
    with emptied_afterwards():
        yield


def owner(statement: str) -> None:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute(statement)


def are_alike(one: TenantIdentity, other: TenantIdentity) -> None:
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        expected = objects.load(cursor, other.schema, other.role)
        assert objects.load(cursor, one.schema, one.role) == expected
        assert len(expected) > 100
        assert replay.applied_in(cursor, one.schema) == replay.applied_in(cursor, other.schema)
    assert drift.find_differences() == ([], [])
    assert services.find_breaches() == []


def claimed_and_made(fleet: Fleet) -> tuple[TenantIdentity, TenantIdentity]:
    """A tenant from the pool and one from the template."""
    (spare,) = fill(1).ready
    claimed, made = fleet.make(2)
    assert there_are() == []
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT to_regnamespace(%s), to_regrole(%s)", [spare.schema, f"{roles.database_name()}_{spare.schema}"])  # fmt: skip
        assert cursor.fetchone() == (None, None)
    return claimed, made


def test_it_is_what_the_template_makes(fleet: Fleet) -> None:
    are_alike(*claimed_and_made(fleet))


def test_so_it_is_with_one_of_everything_rows_and_sequences_included(fleet: Fleet) -> None:
    fleet.release(
        _0004_rich=rich(
            # Its text says the schema's name, and no renaming follows that.
            "CREATE FUNCTION whose() RETURNS text LANGUAGE sql SET search_path FROM CURRENT AS"
            " $$ SELECT '<schema>' || current_setting('search_path') $$"
        )
    )
    fleet.migrate("--allow-breaking")
    claimed, made = claimed_and_made(fleet)
    are_alike(claimed, made)
    for statement in (
        "SELECT * FROM rich ORDER BY id",
        "SELECT * FROM poor",
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"
        " AND sequencename ~ 'rich|poor|tickets' ORDER BY 1",
    ):
        rows = fleet.execute(claimed, statement)
        assert rows
        assert rows == fleet.execute(made, statement)
    assert fleet.execute(claimed, "SELECT whose()") == [
        (f"{claimed.schema}{claimed.schema}, public",)
    ]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("CREATE TABLE signed (by text); INSERT INTO signed VALUES (current_schema())", "signed"),
        ("CREATE TABLE signed (by text DEFAULT '<schema>')", "column signed.by"),
        ("CREATE TABLE signed (by text, CHECK (by <> '<schema>'))", "constraint signed."),
    ],
)
def test_what_does_not_bear_renaming_is_never_pooled(fleet: Fleet, body: str, said: str) -> None:
    # Of a name of its own: the template is known by the names of migrations.
    fleet.release(**{f"_0004_{said.replace(' ', '_').replace('.', '')}": signed(body)})
    fleet.migrate()
    with pytest.raises(SpareError, match=said):
        fill(1)
    assert there_are() == []
    fleet.make(2)
    assert services.find_breaches() == []


def test_its_changes_are_recorded_as_its_own(fleet: Fleet, system: Installation) -> None:
    claimed, made = claimed_and_made(fleet)
    for tenant in (claimed, made):
        with context.tenant(tenant), connections["default"].cursor() as cursor:
            cursor.execute(VENDOR)
        assert fleet.execute(tenant, "SELECT count(*), min(database_role) FROM audit_outbox") == [
            (1, tenant.role)
        ]
    system.relay()
    for tenant in (claimed, made):
        where = EntryFilter(entity_type="invoicing.vendor")
        (entry,) = list_entries(tenant_id=tenant.id, where=where, limit=10)
        assert (entry.tenant_id, entry.operation) == (tenant.id, "CREATE")
        with context.tenant(tenant), connections["default"].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM invoicing_vendor")
            assert cursor.fetchone() == (1,)


def test_several_at_once_never_share_one(fleet: Fleet, acme: TenantIdentity) -> None:
    fill(3)
    identities = [identity_of(f"at-once-{number}") for number in range(6)]
    fleet.tenants += identities

    def make(identity: TenantIdentity) -> Callable[[], None]:
        def work() -> None:
            with context.operator():
                services.create_schema(identity)

        return work

    assert at_once([make(identity) for identity in identities]) == [None] * 6
    assert there_are() == []
    for identity in identities:
        assert fleet.execute(
            identity, "SELECT count(*) - count(DISTINCT (app, name)) FROM django_migrations"
        ) == [(0,)]
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            digests = objects.digests(cursor, [identity.schema], [identity.role])
            assert (
                digests[identity.schema]
                == objects.digests(cursor, [acme.schema], [acme.role])[acme.schema]
            )


def test_who_claims_does_not_wait_for_who_claims(fleet: Fleet) -> None:
    oldest, next_one = fill(2).ready
    database = settings.DATABASES["migration"]
    with psycopg.connect(
        host=database["HOST"], port=database["PORT"], dbname=database["NAME"],
        user=database["USER"], password=database["PASSWORD"],
    ) as session:  # fmt: skip
        session.execute(
            "SELECT FROM fleet_spareschema WHERE schema_name = %s FOR UPDATE", [oldest.schema]
        )
        fleet.make(1)
        assert there_are() == [oldest.schema]
    assert next_one.schema not in there_are()


def test_of_two_who_fill_neither_overshoots(fleet: Fleet) -> None:
    def work() -> int:
        return len(fill(2).ready)

    assert at_once([work, work, work]) == [2, 2, 2]
    assert len(there_are()) == 2


def test_after_a_release_they_are_stale_and_replaced(fleet: Fleet) -> None:
    old = [spare.schema for spare in fill(2).ready]
    fleet.make(1)
    fleet.release(_0004_note="operations = [migrations.AddField('vendor', 'note', models.TextField(null=True))]")  # fmt: skip
    assert fleet.migrate()["exit"] == ""
    assert [spare.problem for spare in pool.look().spares] == ["made for another version"]
    (made,) = fleet.make(1)
    assert fleet.has_column(made, "note")
    assert there_are() == old[1:]  # nobody claims what is stale

    assert len(fill(2).ready) == 2

    assert not set(old) & set(there_are())
    (claimed,) = fleet.make(1)
    assert fleet.has_column(claimed, "note")
    are_alike(claimed, made)


def test_the_release_before_leaves_the_next_ones_spares_alone(fleet: Fleet) -> None:
    fleet.release(_0004_note="operations = [migrations.AddField('vendor', 'note', models.TextField(null=True))]")  # fmt: skip
    with pytest.raises(SharedSchemaVersionError):
        fill(1)  # not migrated yet
    fleet.migrate()
    (spare,) = fill(1).ready
    fleet.undo_release()
    with pytest.raises(SharedSchemaVersionError):
        fill(1)
    assert there_are() == [spare.schema]


DAMAGE = {
    "a column more": "ALTER TABLE {spare}.invoicing_vendor ADD COLUMN mine text",
    "a column renamed": "ALTER TABLE {spare}.invoicing_vendor RENAME name TO mine",
    "a column null": "ALTER TABLE {spare}.invoicing_vendor ALTER name DROP NOT NULL",
    "a default": "ALTER TABLE {spare}.invoicing_vendor ALTER name SET DEFAULT 'x'",
    "a check gone": "ALTER TABLE {spare}.invoicing_invoice DROP CONSTRAINT invoice_adds_up",
    "an index gone": "DROP INDEX {spare}.invoice_by_age",
    "a table gone": "DROP TABLE {spare}.invoicing_vendor CASCADE",
    "a table more": "CREATE TABLE {spare}.mine ()",
    "a type more": "CREATE TYPE {spare}.mine AS ENUM ('a')",
    "a view more": "CREATE VIEW {spare}.mine AS SELECT 1",
    "a trigger off": "ALTER TABLE {spare}.invoicing_vendor DISABLE TRIGGER audit_insert",
    "a trigger gone": "DROP TRIGGER audit_insert ON {spare}.invoicing_vendor",
    "another function": "ALTER FUNCTION {spare}.audit_capture SECURITY INVOKER",
    "a policy": "CREATE POLICY mine ON {spare}.invoicing_vendor USING (true)",
    "a sequence": "ALTER SEQUENCE {spare}.audit_outbox_id_seq INCREMENT 2",
    "rows": "INSERT INTO {spare}.invoicing_vendor (id, name, vat_id, email, address, created_at,"
    " created_by) VALUES (gen_random_uuid(), 'Ada', '', '', '', now(), gen_random_uuid())",
    "open to PUBLIC": "GRANT USAGE ON SCHEMA {spare} TO PUBLIC",
    "a table to the application": "GRANT SELECT ON {spare}.invoicing_vendor TO {app}",
    "somebody is its role": "GRANT {role} TO {app}",
    "its role is in a group": "GRANT {acme} TO {role}",
    "its role reads shared rows": "GRANT SELECT ON public.accounts_user TO {role}",
    "its role may make roles": "ALTER ROLE {role} CREATEROLE",
    "another role of its name": "DROP OWNED BY {role}; DROP ROLE {role}; SET ROLE {owner}; CREATE ROLE {role}",
    "no schema": "DROP SCHEMA {spare} CASCADE",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_one_that_was_changed_by_hand_is_not_given_away(
    fleet: Fleet, acme: TenantIdentity, damage: str
) -> None:
    damaged, whole = fill(2).ready
    role = claiming.role_of(damaged.schema)
    with psycopg.connect(
        settings.ADMIN_DATABASE_URL, dbname=roles.database_name(), autocommit=True
    ) as admin:
        for part in damage.split(";"):
            admin.execute(part.format(spare=damaged.schema, role=role, app=roles.application_login(), owner=settings.DATABASES["migration"]["USER"], acme=acme.role))  # type: ignore[arg-type]  # a test's text  # fmt: skip
    problems = {spare.schema: spare.problem for spare in pool.look().spares}
    assert problems == {damaged.schema: "changed since it was made", whole.schema: ""}

    claimed, made = fleet.make(2)

    # The next one was taken instead.
    assert [spare.schema for spare in pool.look().spares] == [damaged.schema]
    refilled = fill(1)
    assert [spare.problem for spare in refilled.spares] == [""]
    assert damaged.schema not in there_are()
    are_alike(claimed, made)


def test_one_that_cannot_be_claimed_is_set_aside(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is that PostgreSQL says no to."""
    (spare,) = fill(1).ready
    owner(
        f"UPDATE fleet_spareschema SET adoption = 'SELECT 1 / 0' WHERE schema_name = '{spare.schema}'"
    )
    made, other = fleet.make(2)
    are_alike(made, other)
    assert [found.problem for found in pool.look().spares] == ["division by zero"]
    assert "A spare schema could not be claimed" in caplog.text


@pytest.mark.parametrize("left", ["CREATE SCHEMA {schema}", "CREATE ROLE {role}"])
def test_where_something_of_the_tenant_is_left_none_is_taken(fleet: Fleet, left: str) -> None:
    (spare,) = fill(1).ready
    identity = identity_of("fleet-000")
    owner(left.format(schema=identity.schema, role=identity.role))
    made, _ = fleet.make(2)
    assert made.schema == identity.schema
    assert there_are() == []  # the second one took it
    assert spare.schema not in there_are()
    are_alike(*fleet.tenants)


def test_nobody_reaches_into_a_spare(fleet: Fleet, acme: TenantIdentity) -> None:
    (spare,) = fill(1).ready
    role = claiming.role_of(spare.schema)
    table = sql.Identifier(spare.schema, "invoicing_vendor")
    outbox = sql.Identifier(spare.schema, "audit_outbox")
    for scope in (context.operator, lambda: context.tenant(acme)):
        with scope(), connections["default"].cursor() as cursor:
            for name in (table, outbox):
                with pytest.raises(ProgrammingError, match="permission denied for schema"):
                    cursor.execute(sql.SQL("SELECT FROM {}").format(name))
            with pytest.raises(Error, match="permission denied to set role"):
                cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))
    with (
        psycopg.connect(settings.RELAY_DATABASE_URL, autocommit=True) as relay,
        pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied for schema"),
    ):
        relay.execute(sql.SQL("SELECT FROM {}").format(outbox))
    with psycopg.connect(
        settings.ADMIN_DATABASE_URL, dbname=roles.database_name(), autocommit=True
    ) as admin:
        admin.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute(sql.SQL("SELECT FROM {}").format(table))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("SELECT FROM public.tenants_tenant")


def test_nothing_takes_it_for_a_tenant(fleet: Fleet, system: Installation) -> None:
    fill(2)
    (tenant,) = fleet.make(1)
    assert len(there_are()) == 1
    system.relay()
    assert drift.find_differences() == ([], [])
    assert services.find_breaches() == []
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        cursor.execute("SELECT schema_name FROM fleet_schemaversion ORDER BY 1")
        assert {row[0] for row in cursor.fetchall()} == {"t_acme", "t_globex", tenant.schema}


def test_a_filler_that_fails_half_way_leaves_nothing(fleet: Fleet) -> None:
    """At each statement: as when the process dies there, its connection is gone."""
    statements = 0

    def counted(execute: Callable[..., object], *arguments: object) -> object:
        nonlocal statements
        statements += 1
        if statements == dies_at:
            connections[MIGRATION_ALIAS].close()
            raise KeyboardInterrupt
        return execute(*arguments)

    fill(1)  # so that what a process does once is done
    fill(0)
    dies_at = 0
    with connections[MIGRATION_ALIAS].execute_wrapper(counted):
        fill(1)
    total, died = statements, 0
    fill(0)
    for number in range(1, total):
        statements, dies_at = 0, number
        with connections[MIGRATION_ALIAS].execute_wrapper(counted):
            try:
                fill(1)
            except KeyboardInterrupt:
                died += 1
        assert services.find_breaches() == [], number
        assert {spare.problem for spare in pool.look().spares} <= {""}, number
        fill(0)
    assert died == total - 1
