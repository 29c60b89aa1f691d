"""A schema from the template is one from the migrations, row of the catalogue by row of the catalogue."""

import threading

import pytest
from django.db import connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet import replay, services, templates
from shared_apps.fleet.catalogue import objects, script
from shared_apps.fleet.catalogue.relations import Relations
from shared_apps.fleet.services import MIGRATION_ALIAS
from tests.fleet import Fleet, identity_of

# One of everything that the script must be able to say.
RICH = """
seeds_tenants = True
operations = [
    migrations.RunSQL('''
        CREATE TYPE mood AS ENUM ('fine', 'not so');
        CREATE SEQUENCE tickets START 100 INCREMENT 5;
        CREATE TABLE rich (
            id serial PRIMARY KEY, mood mood DEFAULT 'fine', "odd name" text COLLATE "C" DEFAULT 'it''s 100%',
            twice int GENERATED ALWAYS AS (ticket * 2) STORED, ticket int DEFAULT nextval('tickets') NOT NULL,
            parent int REFERENCES rich (id) DEFERRABLE INITIALLY DEFERRED, during tstzrange, data jsonb, bytes bytea,
            EXCLUDE USING gist (during WITH &&), CHECK (ticket IN (100, 105)), CHECK ("odd name" IN ('it''s 100%', 'b'))
        );
        CREATE TABLE first (id int PRIMARY KEY, code text, second_id int);
        CREATE UNIQUE INDEX first_code ON first (code);
        CREATE TABLE second (id int PRIMARY KEY, code text REFERENCES first (code), self int REFERENCES second (id),
            first_id int REFERENCES first (id) DEFERRABLE INITIALLY DEFERRED);
        ALTER TABLE first ADD CONSTRAINT circle FOREIGN KEY (second_id) REFERENCES second (id) DEFERRABLE INITIALLY DEFERRED;
        CREATE INDEX second_first ON second (first_id);
        INSERT INTO first VALUES (1, 'a', 1); INSERT INTO second VALUES (1, 'a', 2, 1), (2, 'a', 1, NULL);
        SET CONSTRAINTS ALL IMMEDIATE;
        CREATE TABLE poor (id bigint GENERATED ALWAYS AS IDENTITY (START 7), rich_id int REFERENCES rich (id) ON DELETE CASCADE);
        ALTER TABLE poor ADD CONSTRAINT later CHECK (id > 0) NOT VALID;
        CREATE UNIQUE INDEX rich_lower ON rich (lower("odd name") text_pattern_ops) INCLUDE (ticket) WHERE ticket > 1;
        CREATE INDEX rich_data ON rich USING gin (data jsonb_path_ops) WITH (fastupdate = off);
        CREATE VIEW moods AS SELECT mood, count(*) FROM rich GROUP BY mood;
        CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
        CREATE TRIGGER touch BEFORE UPDATE ON rich FOR EACH ROW WHEN (OLD.ticket > 1) EXECUTE FUNCTION touch();
        ALTER TABLE rich DISABLE TRIGGER touch;
        ALTER TABLE rich ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_it ON rich FOR SELECT TO PUBLIC USING (ticket > 0);
        ALTER TABLE poor SET (fillfactor = 70);
        COMMENT ON TABLE rich IS 'it''s rich'; COMMENT ON COLUMN rich.mood IS 'how';
        INSERT INTO rich (mood, "odd name", during, data, bytes) VALUES ('not so', 'b', '[2020-01-01,2021-01-01)', 'null', '\\\\x00ff'), (NULL, NULL, NULL, NULL, NULL);
        INSERT INTO poor (rich_id) VALUES (1);
    '''),
    migrations.RunSQL("ALTER TABLE rich RENAME COLUMN data TO facts"),
]
"""


def _compare(fleet: Fleet) -> tuple[TenantIdentity, TenantIdentity]:
    """A schema from the template and one from the migrations, which must be equal."""
    assert templates.ensure_template().refusal == ""
    (made,) = fleet.make(1)
    migrated = identity_of("by-migrations")
    fleet.tenants.append(migrated)
    services._ensure_role_and_schema(migrated)
    services.migrate_tenant(migrated)
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        expected = objects.load(cursor, migrated.schema, migrated.role)
        assert objects.load(cursor, made.schema, made.role) == expected
        assert len(expected) > 100
        assert replay.applied_in(cursor, made.schema) == replay.applied_in(cursor, migrated.schema)
    return made, migrated


def test_it_is_what_migrations_make(fleet: Fleet) -> None:
    _compare(fleet)


def test_so_it_is_with_one_of_everything_rows_and_sequences_included(fleet: Fleet) -> None:
    fleet.release(_0004_rich=RICH)
    made, migrated = _compare(fleet)
    for statement in (
        "SELECT * FROM rich ORDER BY id",
        "SELECT * FROM poor",
        "SELECT * FROM first",
        "SELECT * FROM second ORDER BY id",
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"
        " AND sequencename ~ 'rich|poor|tickets' ORDER BY 1",
    ):
        rows = fleet.execute(made, statement)
        assert rows
        assert rows == fleet.execute(migrated, statement)


def test_rights_that_are_usual_while_tables_are_made_are_not_so_for_what_comes_later(
    fleet: Fleet,
) -> None:
    assert "ALTER DEFAULT PRIVILEGES" in templates.ensure_template().script
    tenant, other = fleet.make(2)
    for each in (tenant, other):
        fleet.execute(each, "CREATE TABLE later (id serial)")
        assert fleet.execute(
            each,
            f"SELECT has_table_privilege('{each.role}', 'later', 'SELECT'),"
            f" has_sequence_privilege('{each.role}', 'later_id_seq', 'USAGE'),"
            f" has_table_privilege('{each.role}', 'invoicing_vendor', 'INSERT'),"
            f" has_table_privilege('{each.role}', 'audit_outbox', 'SELECT'),"
            f" has_table_privilege('{each.role}', 'django_migrations', 'SELECT'),"
            f" has_table_privilege('{other.role}', '{tenant.schema}.invoicing_vendor', 'SELECT')",
        ) == [(False, False, True, False, False, False)]
    assert fleet.execute(tenant, "SELECT count(*) FROM pg_default_acl") == [(0,)]


def test_relations_are_those_of_the_schema_and_of_no_other(fleet: Fleet) -> None:
    """Read from what depends on a schema; the catalogue of relations says the same."""
    (tenant,) = fleet.make(1)
    fleet.execute(
        tenant,
        "CREATE TABLE parts (id int) PARTITION BY LIST (id);"
        " CREATE TABLE part PARTITION OF parts DEFAULT; CREATE SEQUENCE lone;"
        " CREATE MATERIALIZED VIEW seen AS SELECT 1 AS one; CREATE VIEW looked AS SELECT 1 AS one",
    )
    for schema in (tenant.schema, "public"):
        with connections[MIGRATION_ALIAS].cursor() as cursor:
            found = Relations.of(cursor, schema)
            cursor.execute(
                "SELECT relkind::text, relname FROM pg_class WHERE relnamespace = %s::regnamespace"
                " AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') ORDER BY 2",
                [schema],
            )
            rows = cursor.fetchall()
        assert list(found.sequences) == [name for kind, name in rows if kind == "S"]
        assert list(found.tables) == [name for kind, name in rows if kind != "S"]
        assert list(found.droppable) == [name for kind, name in rows if kind in "rp"]
        assert len(found.tables) > 3
    with connections[MIGRATION_ALIAS].cursor() as cursor:
        assert Relations.of(cursor, "t_nobodys").tables == ()


def test_the_comparison_notices_what_a_script_leaves_out(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "_triggers", lambda cursor: iter(()))
    fleet.release(_0004_without_triggers="operations = [migrations.RunSQL('SELECT 1')]")
    assert "trigger" in templates.ensure_template().refusal
    monkeypatch.undo()
    # And the tenant is made all the same, by its migrations.
    (tenant,) = fleet.make(1)
    assert fleet.execute(tenant, "SELECT 1 FROM pg_trigger WHERE tgname = 'audit_insert'")


def test_a_script_that_fails_is_none_and_tenants_are_made_by_their_migrations(fleet: Fleet) -> None:
    """A range type is nothing that a script can say, so its table cannot be made."""
    fleet.release(
        _0004_range="operations = [migrations.RunSQL('CREATE TYPE span AS RANGE (subtype = float8);"
        " CREATE TABLE spans (span span)')]"
    )
    assert "fails: permission denied" in templates.ensure_template().refusal
    one, other = fleet.make(2)
    for tenant in (one, other):
        assert fleet.execute(tenant, "SELECT count(*) FROM spans") == [(0,)]


def test_one_schema_made_by_several_at_once_is_made_once(fleet: Fleet) -> None:
    identity = identity_of("all-at-once")
    fleet.tenants.append(identity)
    failed: list[BaseException] = []

    def make() -> None:
        try:
            with context.operator():
                services.create_schema(identity)
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert fleet.execute(
        identity, "SELECT count(*) - count(DISTINCT (app, name)) FROM django_migrations"
    ) == [(0,)]


def test_the_capture_function_writes_into_its_own_schema(fleet: Fleet) -> None:
    one, other = fleet.make(2)
    fleet.execute(
        one,
        "INSERT INTO invoicing_vendor (id, name, vat_id, email, address, created_at, created_by)"
        " VALUES (gen_random_uuid(), 'Ada', '', '', '', now(), gen_random_uuid())",
    )
    assert fleet.execute(one, "SELECT count(*) FROM audit_outbox") == [(1,)]
    assert fleet.execute(other, "SELECT count(*) FROM audit_outbox") == [(0,)]
