"""A page of entries is read from the end of an index, whatever was asked for and however much there is."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from shared_apps.audit.selectors import EntryFilter, Position, page_query
from tests.audit_store import made_store
from tests.installation import Installation
from tests.trail import Change, append

START = datetime(2030, 1, 1, tzinfo=UTC)
MONTHS = 6
SIZE = 50
BIG, SMALL, OTHER = uuid4(), uuid4(), uuid4()
ROWS = {BIG: 60_000, SMALL: 20_000, OTHER: 20_000}

# What is rare happened at the beginning, so that a walk from the present would meet everything before it.
FILL = """
INSERT INTO audit.entry (tenant_id, sequence, uid, created_at, completed_at, entity_type, operation, record_id,
    new_values, diff, modified_by, attribution, request_id, database_role, transaction_id, hash)
SELECT %(tenant)s, 100 + n, gen_random_uuid(), at, at,
    CASE WHEN n <= 60 THEN 'shop.rare' ELSE 'shop.article' END,
    CASE WHEN n <= 60 THEN 'DELETE' ELSE 'UPDATE' END,
    CASE WHEN n %% 4 = 0 THEN 'hot' ELSE (n %% 1000)::text END,
    '{}', '{}', CASE WHEN n <= 60 THEN 'system:rare' ELSE 'system:usual' END, '{}', 'r' || (n / 3), 'x', '1', ''
FROM (SELECT n, %(start)s + n * %(step)s AS at FROM generate_series(1, %(rows)s) n) numbered
"""


@pytest.fixture(scope="module")
def reader(installation: Installation) -> Iterator[psycopg.Connection[Any]]:
    """The reader's login in an audit database of its own with 100,000 entries of three tenants."""
    with made_store() as made:
        months = [Change(at=START + timedelta(days=31 * n)) for n in range(MONTHS)]
        append(BIG, months, url=made.url("AUDIT_DATABASE_URL"))
        with made.connect("AUDIT_MIGRATION_DATABASE_URL") as filling:
            for tenant, rows in ROWS.items():
                step = timedelta(days=31 * (MONTHS - 1)) / rows
                filling.execute(
                    FILL, {"tenant": tenant, "rows": rows, "start": START, "step": step}
                )
            filling.execute("ANALYZE audit.entry")
        url = made.url("AUDIT_READER_DATABASE_URL")
        with psycopg.connect(url, prepare_threshold=None) as connection:
            yield connection


MIDDLE = START + timedelta(days=70)
QUESTIONS = {
    "everything": EntryFilter(),
    "a usual entity": EntryFilter(entity_type="shop.article"),
    "a rare entity": EntryFilter(entity_type="shop.rare"),
    "a usual operation": EntryFilter(operation="UPDATE"),
    "a rare operation": EntryFilter(operation="DELETE"),
    "no operation": EntryFilter(operation="CREATE"),
    "a busy person": EntryFilter(modified_by="system:usual"),
    "a rare person": EntryFilter(modified_by="system:rare"),
    "nobody": EntryFilter(modified_by="nobody"),
    "a request": EntryFilter(request_id="r17"),
    "a record": EntryFilter(entity_type="shop.article", record_id="117"),
    "a busy record": EntryFilter(entity_type="shop.article", record_id="hot"),
    "a record id": EntryFilter(record_id="117"),
    "since": EntryFilter(since=MIDDLE),
    "until": EntryFilter(until=MIDDLE),
    "between": EntryFilter(since=MIDDLE, until=MIDDLE + timedelta(hours=1)),
    "a rare person until": EntryFilter(modified_by="system:rare", until=MIDDLE),
    "a busy person's usual changes until": EntryFilter(
        modified_by="system:usual", operation="UPDATE", entity_type="shop.article", until=MIDDLE
    ),
}  # fmt: skip


@pytest.mark.parametrize("tenants", [[BIG], [BIG, SMALL]], ids=["one", "two"])
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_page_is_read_from_the_end_of_an_index(
    reader: psycopg.Connection[Any], name: str, tenants: list[UUID]
) -> None:
    middle = Position(created_at=MIDDLE, tenant_id=BIG, sequence=20_000)
    for before, after in ((None, None), (middle, None), (None, middle)):
        read, nodes = _explain(reader, QUESTIONS[name], tenants, before, after)
        # A month that is made ahead has nothing to be looked through.
        assert not any(node["Node Type"] == "Seq Scan" and _looked_at(node) for node in nodes)
        # A page of each tenant from each month at most: the planner may merge the months.
        assert read <= (SIZE + 1) * MONTHS * len(tenants) + 300, (name, before, after)


def _looked_at(node: dict[str, Any]) -> bool:
    return bool(node["Actual Rows"] or node.get("Rows Removed by Filter"))


def _explain(
    reader: psycopg.Connection[Any], where: EntryFilter, tenants: list[UUID],
    before: Position | None, after: Position | None,
) -> tuple[int, list[dict[str, Any]]]:  # fmt: skip
    """How many rows were looked at, and the nodes of the plan that look at the table."""
    query, values = page_query(
        tenants=tenants, where=where, before=before, after=after, limit=SIZE + 1
    )
    with reader.transaction():
        visible = ",".join(map(str, tenants))
        reader.execute("SELECT set_config('freehold.tenant', %s, true)", [visible])
        explained = reader.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + query, values)
        row = explained.fetchone()
    assert row is not None
    nodes, found = [row[0][0]["Plan"]], []
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Relation Name" in node:
            found.append(node)
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return (
        sum(
            int(node["Actual Loops"])
            * (node["Actual Rows"] + sum(node.get(name, 0) for name in removed))
            for node in found
        ),
        found,
    )
