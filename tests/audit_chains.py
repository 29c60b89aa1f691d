"""Chains of tenants that exist in the audit database alone, and the server's administrator at work in them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
from django.conf import settings
from psycopg import sql

from shared_apps.audit.chain import verifying
from shared_apps.audit.chain.verifying import Verdict

ENTRIES = 9
_APPEND = (
    "SELECT audit.append(%(tenant)s, %(uid)s, %(at)s, %(word)s, %(operation)s, %(record)s, %(none)s,"
    " %(values)s, %(values)s, %(none)s, %(values)s, %(none)s, %(word)s, %(word)s)"
)
_NAMES = ["ä", None, '{"a": 1.50}', "", "x" * 3000, "\t", "-", "1:x", "end"]


@dataclass(frozen=True)
class Chains:
    """Two tenants' chains of nine entries each."""

    one: UUID
    other: UUID
    admin: psycopg.Connection[Any]

    def run(self, statement: str) -> None:
        self.admin.execute(
            statement.replace("ONE", f"'{self.one}'").replace("OTHER", f"'{self.other}'")  # type: ignore[arg-type]
        )

    def verify(self, *, stretch: int = 4, jobs: int = 1) -> list[Verdict]:
        verdicts = verifying.verify(
            url=settings.AUDIT_AUDITOR_DATABASE_URL, tenants=[self.one, self.other], jobs=jobs,
            stretch=stretch,
        )  # fmt: skip
        by_tenant = {verdict.tenant_id: verdict for verdict in verdicts}
        return [by_tenant[tenant] for tenant in (self.one, self.other) if tenant in by_tenant]

    def found(self, *, stretch: int = 4) -> list[tuple[str, str]]:
        one, *rest = self.verify(stretch=stretch)
        assert all(verdict.problems == () for verdict in rest)
        return [(str(problem.kind), problem.numbers) for problem in one.problems]


_FIRST = datetime(2026, 11, 1, tzinfo=UTC)


@contextmanager
def two_chains(first: datetime = _FIRST) -> Iterator[Chains]:
    one, other = uuid4(), uuid4()
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
        for tenant in (one, other):
            append(writer, tenant, first=first)
    with administrator() as admin:
        yield Chains(one, other, admin)
        for table in ("entry", "chain", "anchored", "checkpoint", "retention"):
            admin.execute(
                sql.SQL("DELETE FROM audit.{} WHERE tenant_id = ANY(%s)").format(
                    sql.Identifier(table)
                ),
                [[one, other]],
            )
        admin.execute("DELETE FROM audit.anchor")


def administrator() -> psycopg.Connection[Any]:
    """Whoever may do everything in the audit database."""
    name = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    return psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=name, autocommit=True)


def append(
    writer: psycopg.Connection[Any],
    tenant: UUID,
    *,
    first: datetime = _FIRST,
    count: int = ENTRIES,
) -> None:
    """Entries of a day each."""
    names = [_NAMES[number % len(_NAMES)] for number in range(count)]
    writer.execute(
        _APPEND,
        {
            "tenant": tenant,
            "uid": [uuid4() for _ in names],
            "at": [first + timedelta(days=day) for day in range(count)],
            "word": ["word"] * count,
            "operation": ["UPDATE"] * count,
            "record": names,
            "none": [None] * count,
            "values": [json.dumps({"name": name}) for name in names],
        },
    )
    writer.commit()
