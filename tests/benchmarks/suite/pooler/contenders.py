"""Who takes part: those of `request`, over other ways."""

from dataclasses import replace

from tests.benchmarks.benchmark import Part
from tests.benchmarks.suite.request.contenders import OURS, PLAIN, STOCK_LIMITED

PLAIN_BEHIND_POOLER = replace(
    PLAIN,
    name="plain Django, PgBouncer",
    what="the same behind PgBouncer in transaction mode, one server connection",
    settings="tests.benchmarks.suite.pooler.settings.plain",
    behind_pooler=True,
)
POOLED = replace(
    OURS,
    name="ours, psycopg pool",
    what="DATABASE_POOL_SIZE=4, session mode: connections are reset when they go back",
    environment={"DATABASE_POOL_SIZE": "4"},
)
BEHIND_POOLER = replace(
    OURS,
    name="ours, PgBouncer",
    what="DATABASE_POOL_MODE=transaction behind PgBouncer in transaction mode, one server connection",
    environment={"DATABASE_POOL_MODE": "transaction"},
    behind_pooler=True,
)
STOCK_BEHIND_POOLER = replace(
    STOCK_LIMITED,
    name="django-tenants, PgBouncer",
    part=Part.PEER,
    what="with TENANT_LIMIT_SET_CALLS behind PgBouncer in transaction mode, one server connection",
    behind_pooler=True,
)
CONTENDERS = (PLAIN, PLAIN_BEHIND_POOLER, POOLED, BEHIND_POOLER, STOCK_BEHIND_POOLER)
