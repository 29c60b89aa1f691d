"""Every tenant's schema could live on one node of a Citus cluster: read from the catalogue."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from shared_apps.fleet.migration_login import MIGRATION_ALIAS
from shared_apps.fleet.sharding import rules
from tests.fleet import Fleet

# Made in a tenant's schema by the owner → what is said of it. Schemas {own} and {other} are filled in.
BAD = [
    ("ALTER TABLE invoicing_vendor ADD owner_id uuid REFERENCES public.accounts_user",
     "key invoicing_vendor_owner_id_fkey of invoicing_vendor leads to public.accounts_user, in another schema"),
    ("ALTER TABLE invoicing_vendor ADD twin_id uuid REFERENCES {other}.invoicing_vendor",
     "key invoicing_vendor_twin_id_fkey of invoicing_vendor leads to {other}.invoicing_vendor, in another schema"),
    ("CREATE VIEW people AS SELECT email FROM public.accounts_user",
     "rule _RETURN on view {own}.people needs table accounts_user of another schema"),
    ("CREATE VIEW seen AS SELECT id FROM {other}.invoicing_invoice",
     "rule _RETURN on view {own}.seen needs table {other}.invoicing_invoice of another schema"),
    ("CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS"
     " $$BEGIN INSERT INTO public.audit_outbox (table_name) VALUES ('x'); RETURN NULL; END$$",
     "function tell names the schema public, which is not on every node"),
    ("CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS"
     " $$BEGIN INSERT INTO audit_outbox (table_name) VALUES ('x'); RETURN NULL; END$$",
     "function tell takes names from its caller's search_path"),
    ("CREATE FUNCTION tell() RETURNS int LANGUAGE sql SET search_path = {own}, public, pg_temp AS 'SELECT 1'",
     "function tell has public on its search_path"),
    ("CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql SET search_path = '' AS"
     " 'SELECT count(*) FROM {other} . invoicing_vendor'",
     "function peek names the schema {other}, which is not on every node"),
    ("CREATE TRIGGER far AFTER INSERT ON invoicing_vendor FOR EACH STATEMENT"
     " EXECUTE FUNCTION {other}.audit_capture('id', '{{}}')",
     "trigger far on table {own}.invoicing_vendor needs function {other}.audit_capture() of another schema"),
    ("CREATE SEQUENCE {other}.numbers; ALTER TABLE invoicing_vendor ADD n bigint DEFAULT nextval('{other}.numbers')",
     "default value for column n of table {own}.invoicing_vendor needs sequence {other}.numbers of another schema"),
    ("CREATE TYPE {other}.mood AS ENUM ('good'); ALTER TABLE invoicing_vendor ADD mood {other}.mood",
     "table {own}.invoicing_vendor needs type {other}.mood of another schema"),
    ("CREATE POLICY known ON invoicing_vendor USING (EXISTS (SELECT FROM invoicing_invoice))",
     "policy known on invoicing_vendor has a subquery: Citus cannot hand it on"),
    ("CREATE MATERIALIZED VIEW sums AS SELECT 1 AS one", "materialized view sums would stay on the coordinator"),
    ("CREATE UNLOGGED TABLE fast (id int PRIMARY KEY)",
     "table fast is unlogged: a move by replication would leave its rows behind"),
    ("CREATE TABLE child (more text) INHERITS (invoicing_vendor)", "table child inherits or is inherited from"),
    ("CREATE TYPE pair AS (a int, b int); CREATE TABLE pairs OF pair",
     "table pairs is of a type: CREATE TABLE OF is refused"),
    ("CREATE TABLE keyless (a int)", "table keyless has no primary key: it could not be moved while it is written"),
    ("CREATE RULE quiet AS ON DELETE TO invoicing_vendor DO INSTEAD NOTHING",
     "rule quiet on invoicing_vendor is not handed on to the node"),
    ("CREATE FUNCTION one() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$BEGIN RETURN NEW; END$$;"
     "CREATE TRIGGER each BEFORE INSERT ON invoicing_vendor FOR EACH ROW EXECUTE FUNCTION one();"
     "ALTER TABLE invoicing_vendor ENABLE ALWAYS TRIGGER each",
     "trigger each on invoicing_vendor is always enabled for each row:"
     " it would fire again for rows that a move brings"),
]  # fmt: skip


def violations(*tenants: TenantIdentity) -> list[str]:
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        return [str(found) for found in rules.find_violations(cursor, [t.schema for t in tenants])]


def test_the_schemas_that_the_product_makes_keep_every_rule(fleet: Fleet) -> None:
    from_template, other = fleet.make(2)
    assert violations(from_template, other, *fleet.tenants) == []
    out = StringIO()
    call_command("fleet", "sharding", stdout=out)
    assert out.getvalue() == "every schema keeps the rules of docs/scaling-citus.md\n"


@pytest.mark.parametrize(("change", "said"), BAD, ids=[change[:45] for change, _ in BAD])
def test_what_breaks_one_is_named(fleet: Fleet, change: str, said: str) -> None:
    bad, other = fleet.make(2)
    names = {"own": bad.schema, "other": other.schema}
    fleet.execute(bad, change.format(**names))

    assert f"{bad.schema}: {said.format(**names)}" in violations(bad)


def test_a_key_into_a_tenants_schema_is_one_of_the_schema(fleet: Fleet) -> None:
    acme, globex = fleet.make(2)
    fleet.execute(
        globex,
        f"ALTER TABLE invoicing_vendor ADD twin_id uuid REFERENCES {acme.schema}.invoicing_vendor",
    )
    assert violations(acme) == [
        f"{acme.schema}: table invoicing_vendor is the target of a key of"
        f" {globex.schema}.invoicing_vendor, in another schema"
    ]


def test_a_key_to_a_table_that_every_node_has_is_allowed(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    fleet.execute(
        tenant, "ALTER TABLE invoicing_vendor ADD kind_id int REFERENCES public.django_content_type"
    )
    with context.operator(), connections[MIGRATION_ALIAS].cursor() as cursor:
        found = rules.find_violations(cursor, [tenant.schema], everywhere=["django_content_type"])
    assert found == []
    assert len(violations(tenant)) == 1


def test_the_command_fails_and_names_them(fleet: Fleet) -> None:
    (tenant,) = fleet.make(1)
    fleet.execute(tenant, "CREATE TABLE keyless (a int)")
    out = StringIO()
    with pytest.raises(CommandError, match=r"^1 violations in 1 schemas$"):
        call_command("fleet", "sharding", stdout=out)
    assert out.getvalue() == (
        f"{tenant.schema}: table keyless has no primary key: it could not be moved while it is written\n"
    )
