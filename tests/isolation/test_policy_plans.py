"""A policy is an index condition, also with 100,000 rows: it costs no look at other tenants' rows."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections

from shared_apps.accounts import selectors
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.isolation import ticket
from tests.people import make_auditor

_STRANGERS = 500


@pytest.fixture(scope="module", autouse=True)
def _rows(installation: Installation, django_db_blocker: Any) -> Iterator[None]:
    """200 tickets of each of 502 tenants; strangers have no schema, only rows."""
    with django_db_blocker.unblock(), ticket.tables():
        with context.operator(), connections["migration"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO tenants_tenant (id, schema_name, slug, name, role_name, state, state_reason,"
                " last_error, created_at, state_changed_at)"
                " SELECT gen_random_uuid(), 't_n' || n, 'n' || n, '', 'd_t_n' || n, 'PENDING', '', '', now(), now()"
                " FROM generate_series(1, %s) n",
                [_STRANGERS],
            )
            cursor.execute(
                "INSERT INTO scratch_ticket (tenant_id, title, priority)"
                " SELECT t.id, 'x', n FROM generate_series(1, 200) n, tenants_tenant t"
            )
            cursor.execute("ANALYZE scratch_ticket")
            cursor.execute("ANALYZE tenants_tenant")
        yield
        with context.operator(), connections["migration"].cursor() as cursor:
            cursor.execute("DELETE FROM scratch_ticket")
            cursor.execute("DELETE FROM tenants_tenant WHERE slug LIKE 'n%'")


def _scan(statement: str) -> dict[str, Any]:
    """The node of the plan that reads the table, with what really happened."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0]
    nodes = [(json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]]
    found: list[dict[str, Any]] = []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Index Cond" in node or node.get("Relation Name") == "scratch_ticket":
            found.append(node)
    indexed = [node for node in found if "tenant_id" in node.get("Index Cond", "")]
    assert indexed, found
    return indexed[0]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM scratch_ticket ORDER BY id LIMIT 50",
        "SELECT count(*) FROM scratch_ticket",
        "SELECT * FROM scratch_ticket WHERE priority > 100",
        "UPDATE scratch_ticket SET priority = priority",
    ],
)
def test_a_tenants_policy_is_an_index_condition(acme: TenantIdentity, statement: str) -> None:
    with context.tenant(acme):
        scan = _scan(statement)
    assert "own_tenant" not in scan["Index Cond"], "called once, not per row"
    assert scan["Actual Rows"] <= 200
    assert scan.get("Rows Removed by Filter", 0) <= 200


def test_a_persons_policy_is_an_index_condition(
    acme: TenantIdentity, globex: TenantIdentity
) -> None:
    scope = selectors.find_cross_tenant_scope(user_id=make_auditor(acme, globex).id)
    assert scope is not None
    with context.cross_tenant(scope):
        scan = _scan("SELECT count(*) FROM scratch_ticket")
    assert "granted_tenants" not in scan["Index Cond"]
    assert scan["Actual Rows"] * scan["Actual Loops"] < 1000, "of 100,400; dead versions count"
