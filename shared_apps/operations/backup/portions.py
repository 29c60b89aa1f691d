"""Which schemas one pg_dump takes: it locks every table that it dumps until it ends.

PostgreSQL has room for `max_locks_per_transaction` times its connections, shared by everybody; a dump of
a whole fleet needs one for each table and fails, or makes others fail. So each takes as many schemas as
fit into a part of that room, all of them by the same snapshot.
"""

from collections.abc import Sequence
from typing import Any

import psycopg

from shared_apps.operations.backup.contents import Schema

_SHARE = 4  # a quarter of the room, for all dumps that run at once
_MOST = 100  # schemas
_SHARED = "public"


def room(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute(
        "SELECT current_setting('max_locks_per_transaction')::bigint"
        " * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint)"
    ).fetchone()
    assert row is not None
    return int(row[0])


def portions(schemas: Sequence[Schema], *, room: int, jobs: int) -> list[tuple[str, ...]]:
    """The shared schema alone and first, then the others, the largest first."""
    limit = max(1, room // _SHARE // jobs)
    made: list[tuple[str, ...]] = [(schema.name,) for schema in schemas if schema.name == _SHARED]
    portion: list[str] = []
    locks = 0
    others = [schema for schema in schemas if schema.name != _SHARED]
    for schema in sorted(others, key=lambda schema: (-schema.size, schema.name)):
        if portion and (locks + schema.relations > limit or len(portion) == _MOST):
            made.append(tuple(portion))
            portion, locks = [], 0
        portion.append(schema.name)
        locks += schema.relations
    if portion:
        made.append(tuple(portion))
    return made
