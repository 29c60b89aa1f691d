"""The product's selectors, in a process of its own. Imports of the product wait for its set-up."""

import os
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from tests.benchmarks.suite.relay.moving import Moving

_TENANTS = 20
_MONTHS = 24
_PER_RECORD = 100
_ENTITY = "ours.audited"
_PAGE = 50
# Every entry is made of a real one, whatever columns there are; the chain is not asked here.
_PARTITIONS = "SELECT audit.ensure_partition(now() - make_interval(days => 15 * n)) FROM generate_series(0, 2 * %(months)s) n"
_MULTIPLY = """
INSERT INTO audit.entry
SELECT made.*
FROM generate_series(1::bigint, %(entries)s) n,
     (SELECT e FROM audit.entry e WHERE entity_type = 'ours.audited' LIMIT 1) real,
     (SELECT array_agg(tenant_id ORDER BY tenant_id) AS ids FROM
         (SELECT DISTINCT tenant_id FROM audit.entry WHERE entity_type = 'ours.audited') t) tenants,
     jsonb_populate_record(e, jsonb_build_object(
    'tenant_id', ids[CASE WHEN n %% 2 = 0 THEN 1 ELSE 2 + n / 2 %% %(others)s END],
    'sequence', n + 1000, 'uid', gen_random_uuid(),
    'created_at', now() - make_interval(secs => (%(entries)s - n) * (%(months)s * 86400.0 * 30 / %(entries)s)),
    'record_id', (n / 2 %% greatest(%(entries)s / 2 / %(per_record)s, 1))::text,
    'modified_by', 'person ' || n %% 1009)) made
"""


class Asking:
    """A target of `workers.worker`."""

    def __init__(self) -> None:
        self._moving = Moving()
        self._random = random.Random(5)

    def install(self, *, entries: int) -> None:
        self._moving.install(tenants=_TENANTS - 1, entries=1)
        self._moving.relay(tenants=_TENANTS - 1, rows=1)
        self._entries = entries
        with psycopg.connect(os.environ["AUDIT_MIGRATION_DATABASE_URL"], autocommit=True) as owner:
            values = {
                "entries": entries, "months": _MONTHS, "per_record": _PER_RECORD, "others": _TENANTS - 1,
            }  # fmt: skip
            owner.execute(_PARTITIONS, values)
            owner.execute(_MULTIPLY, values)
            owner.execute("VACUUM (ANALYZE) audit.entry")
            rows = owner.execute(
                "SELECT tenant_id FROM audit.entry WHERE entity_type = %s GROUP BY 1 ORDER BY 1",
                [_ENTITY],
            ).fetchall()
        self._tenants: list[UUID] = [row[0] for row in rows]

    def ask(self, *, question: str) -> float:
        """Milliseconds; each time of another record, person or place."""
        from shared_apps.core import context

        asked: Callable[[], Any] = getattr(self, f"_{question}")
        with context.operator():
            started = time.perf_counter()
            found = asked()
            taken = time.perf_counter() - started
        if not found:
            raise RuntimeError(f"nothing was found of {question}")
        return taken * 1000

    def _record(self) -> Any:
        return self._list(record_id=self._any_record())

    def _state(self) -> Any:
        from shared_apps.audit import selectors

        half = datetime.now(UTC) - timedelta(days=30 * _MONTHS / 2)
        return selectors.get_state(
            tenant_id=self._tenants[0], entity_type=_ENTITY, record_id=self._any_record(), at=half
        )

    def _newest(self) -> Any:
        return self._list()

    def _deep(self) -> Any:
        return self._list(before=self._random.randrange(self._entries // 4, self._entries))

    def _person(self) -> Any:
        number = 2 * self._random.randrange(1, self._entries // 2)  # of the first tenant's entries
        return self._list(modified_by=f"person {number % 1009}")

    def _several(self) -> Any:
        from shared_apps.audit import selectors

        return selectors.list_entries_of(
            tenants=self._tenants, where=selectors.EntryFilter(), limit=_PAGE
        )

    def _list(
        self,
        *,
        record_id: str | None = None,
        modified_by: str | None = None,
        before: int | None = None,
    ) -> Any:
        from shared_apps.audit import selectors

        where = selectors.EntryFilter(
            entity_type=_ENTITY if record_id else None, record_id=record_id, modified_by=modified_by
        )
        return selectors.list_entries(
            tenant_id=self._tenants[0], where=where, before=before, limit=_PAGE
        )

    def _any_record(self) -> str:
        """Of the first tenant, who has every second entry."""
        return str(self._random.randrange(max(self._entries // 2 // _PER_RECORD, 1)))
