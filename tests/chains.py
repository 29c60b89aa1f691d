"""Chains of tenants that are in the audit database alone, and its administrator."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings

ODD_TEXTS = ("ä\u2028", None, '{"a": 1.50}', "", "x" * 3000, "\t", "-", "1:x", "=1+1", "end\r\n'")
_APPEND = (
    "SELECT audit.append(%(tenant)s, %(uid)s, %(at)s, %(entity)s, %(operation)s, %(record)s, %(none)s,"
    " %(values)s, %(values)s, %(author)s, %(attribution)s, %(none)s, %(role)s, %(transaction)s)"
)


def append(
    tenant: UUID, records: Sequence[str | None] = ODD_TEXTS, *, filling: Sequence[str] = ("",)
) -> None:
    """An entry of each record, an hour after the one before, as the relay would add it."""
    count = len(records)
    fillings = list(filling) * (count // len(filling))
    start = datetime(2026, 11, 1, microsecond=123456, tzinfo=UTC)
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
        writer.execute(
            _APPEND,
            {
                "tenant": tenant,
                "uid": [uuid4() for _ in range(count)],
                "at": [start + timedelta(hours=number) for number in range(count)],
                "entity": ["invoicing.vendor"] * count,
                "operation": ["CREATE", "UPDATE"] * (count // 2) + ["UPDATE"] * (count % 2),
                "record": list(records),
                "none": [None] * count,
                "values": [
                    json.dumps({"name": text, "n": 1.50, "filling": filled}) + " "
                    for text, filled in zip(records, fillings, strict=True)
                ],
                "author": ["system:test"] * count,
                "attribution": ['{"system": "test"}'] * count,
                "role": ["app"] * count,
                "transaction": ["1"] * count,
            },
        )


@contextmanager
def audit_administrator() -> Iterator[psycopg.Connection[Any]]:
    """Who may do everything in the audit database."""
    name = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=name, autocommit=True) as admin:
        yield admin


@contextmanager
def two_chains() -> Iterator[tuple[UUID, UUID]]:
    """Ten odd entries each, of tenants that nobody knows; taken out again."""
    tenants = uuid4(), uuid4()
    for tenant in tenants:
        append(tenant)
    try:
        yield tenants
    finally:
        with audit_administrator() as admin:
            for table in ("entry", "chain"):
                admin.execute(
                    f"DELETE FROM audit.{table} WHERE tenant_id = ANY(%s)",  # type: ignore[arg-type]
                    [list(tenants)],
                )
