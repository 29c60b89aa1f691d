"""Many threads of several tenants share one server connection."""

import json
import subprocess
import sys
from collections.abc import Iterator
from uuid import UUID

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction
from psycopg import sql

from scripts.stack.paths import ROOT
from shared_apps.core import context
from shared_apps.core.context import TenantIdentity
from tests.concurrency import at_once
from tests.isolation.modes import PGBOUNCER_TRANSACTION, Poolers, connected

_STOCK_SCHEMAS = ("stock_a", "stock_b")


def test_ten_thousand_reads_over_one_server_connection_find_no_foreign_row(
    poolers: Poolers, acme: TenantIdentity, globex: TenantIdentity, vendors: dict[UUID, str]
) -> None:
    def foreign_rows(tenant: TenantIdentity) -> int:
        count = 0
        for turn in range(1_250):
            with context.tenant(tenant), connection.cursor() as cursor:
                if turn % 20:
                    cursor.execute("SELECT name FROM invoicing_vendor")
                else:
                    with transaction.atomic():
                        cursor.execute("SELECT name FROM invoicing_vendor")
                count += cursor.fetchall() != [(vendors[tenant.id],)]
        return count

    with connected(PGBOUNCER_TRANSACTION, poolers):
        found = at_once([lambda who=who: foreign_rows(who) for who in (acme, globex) * 4])
    assert found == [0] * 8


@pytest.mark.parametrize("limit_set_calls", [False, True])
def test_the_stock_backend_reads_foreign_rows_there(
    poolers: Poolers, stock_schemas: None, acme: TenantIdentity, limit_set_calls: bool
) -> None:
    """What the test above would find, were it not for our backend."""
    owner = settings.DATABASES["migration"]
    given = {
        "database": {
            **{name: owner[name] for name in ("NAME", "USER", "PASSWORD")},
            "HOST": "127.0.0.1",
            "PORT": poolers.port("transaction", 1),
        },
        "limit_set_calls": limit_set_calls,
        "schemas": _STOCK_SCHEMAS,
        "reads": 300,
    }
    stock = subprocess.run(
        [sys.executable, "-m", "tests.isolation.stock_backend"],
        input=json.dumps(given),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    result = json.loads(stock.stdout)
    assert result["reads"] == 600
    assert result["foreign"] > 0


@pytest.fixture
def stock_schemas(acme: TenantIdentity) -> Iterator[None]:
    """Two schemas with a row that names its schema, owned by the login that the stock backend uses."""
    owner = settings.DATABASES["migration"]
    with psycopg.connect(
        host=owner["HOST"], port=owner["PORT"], dbname=owner["NAME"],
        user=owner["USER"], password=owner["PASSWORD"], autocommit=True,
    ) as session:  # fmt: skip
        for schema in _STOCK_SCHEMAS:
            name = sql.Identifier(schema)
            session.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            session.execute(
                sql.SQL("CREATE TABLE {}.marker AS SELECT {} AS owner").format(
                    name, sql.Literal(schema)
                )
            )
        yield
        for schema in _STOCK_SCHEMAS:
            session.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))
