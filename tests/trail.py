"""Entries of one's own making in the audit database, as the relay would send them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings


@dataclass(frozen=True)
class Change:
    at: datetime
    entity: str = "shop.article"
    record_id: str | None = "1"
    operation: str = "UPDATE"
    new_values: str | None = '{"price": 1.50}'
    by: str | None = None
    request_id: str | None = None
    uid: UUID = field(default_factory=uuid4)


def append(tenant_id: UUID, changes: Sequence[Change], *, url: str = "") -> None:
    columns: list[list[Any]] = [
        [change.uid for change in changes],
        [change.at for change in changes],
        [change.entity for change in changes],
        [change.operation for change in changes],
        [change.record_id for change in changes],
        [None for _ in changes],
        [change.new_values for change in changes],
        ["{}" for _ in changes],
        [change.by for change in changes],
        ["{}" for _ in changes],
        [change.request_id for change in changes],
        ["tester" for _ in changes],
        ["1" for _ in changes],
    ]
    with psycopg.connect(url or settings.AUDIT_DATABASE_URL) as writer:
        writer.execute(
            "SELECT audit.append(%s, %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[],"
            " %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])",
            [tenant_id, *columns],
        )
