"""`audit verify` after somebody who may do everything in the audit database has been there."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.audit.chain import verifying
from shared_apps.audit.chain.verifying import Verdict
from shared_apps.core.context import TenantIdentity
from tests.installation import Installation

_APPEND = (
    "SELECT audit.append(%(tenant)s, %(uid)s, %(at)s, %(word)s, %(operation)s, %(record)s, %(none)s,"
    " %(values)s, %(values)s, %(none)s, %(values)s, %(none)s, %(word)s, %(word)s)"
)
_ENTRIES = 9


@dataclass(frozen=True)
class Chains:
    """Two tenants' chains of nine entries each, and the server's administrator at work in them."""

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


@pytest.fixture
def chains(system: Installation) -> Iterator[Chains]:
    name = psycopg.conninfo.conninfo_to_dict(settings.AUDIT_DATABASE_URL)["dbname"]
    one, other = uuid4(), uuid4()
    with psycopg.connect(settings.AUDIT_DATABASE_URL) as writer:
        for tenant in (one, other):
            _append(writer, tenant)
    with psycopg.connect(settings.AUDIT_ADMIN_DATABASE_URL, dbname=name, autocommit=True) as admin:
        yield Chains(one, other, admin)
        for table in ("entry", "chain"):
            admin.execute(
                f"DELETE FROM audit.{table} WHERE tenant_id = ANY(%s)",  # type: ignore[arg-type]
                [[one, other]],
            )


def _append(writer: psycopg.Connection[Any], tenant: UUID) -> None:
    names = ["ä", None, '{"a": 1.50}', "", "x" * 3000, "\t", "-", "1:x", "end"]
    writer.execute(
        _APPEND,
        {
            "tenant": tenant,
            "uid": [uuid4() for _ in range(_ENTRIES)],
            "at": [datetime(2026, 11, 1 + day, tzinfo=UTC) for day in range(_ENTRIES)],
            "word": ["word"] * _ENTRIES,
            "operation": ["UPDATE"] * _ENTRIES,
            "record": names,
            "none": [None] * _ENTRIES,
            "values": [json.dumps({"name": name}) for name in names],
        },
    )


@pytest.mark.parametrize(("stretch", "jobs"), [(1, 1), (2, 1), (9, 1), (100, 1), (2, 3)])
def test_chains_that_nobody_touched_are_whole(chains: Chains, stretch: int, jobs: int) -> None:
    one, other = chains.verify(stretch=stretch, jobs=jobs)

    assert (one.entries, one.sequence, one.problems) == (_ENTRIES, _ENTRIES, ())
    assert (other.entries, other.sequence, other.problems) == (_ENTRIES, _ENTRIES, ())
    assert one.hash != other.hash


@pytest.mark.parametrize("stretch", [1, 4, 5, 100])
@pytest.mark.parametrize(
    ("tampering", "found"),
    [
        ("UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 5",
         [("edited", "5")]),
        ("UPDATE audit.entry SET created_at = created_at - interval '1 hour'"
         " WHERE tenant_id = ONE AND sequence = 4", [("edited", "4")]),
        ("UPDATE audit.entry SET record_id = NULL WHERE tenant_id = ONE AND sequence = 1",
         [("edited", "1")]),
        ("UPDATE audit.entry SET modified_by = 'system:relay' WHERE tenant_id = ONE AND sequence = 9",
         [("edited", "9")]),
        ("UPDATE audit.entry SET hash = sha256('x') WHERE tenant_id = ONE AND sequence = 5",
         [("edited", "5"), ("edited", "6")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 4", [("missing", "4")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 1", [("missing", "1")]),
        ("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 9", [("tail cut", "9")]),
        ("UPDATE audit.chain SET sequence = 7 WHERE tenant_id = ONE", [("end of chain", "9")]),
        ("UPDATE audit.chain SET hash = sha256('x') WHERE tenant_id = ONE", [("end of chain", "9")]),
        ("UPDATE audit.chain SET sequence = 9000000000000000000 WHERE tenant_id = ONE",
         [("tail cut", "10-9000000000000000000")]),
        ("UPDATE audit.entry SET sequence = 9000000000000000000 WHERE tenant_id = ONE AND sequence = 9",
         [("missing", "9-8999999999999999999"), ("end of chain", "9000000000000000000")]),
        ("DELETE FROM audit.chain WHERE tenant_id = ONE", [("end of chain", "9")]),
        ("UPDATE audit.entry SET sequence = CASE sequence WHEN 4 THEN 6 ELSE 4 END"
         " WHERE tenant_id = ONE AND sequence IN (4, 6)",
         [("reordered", "4"), ("edited", "5"), ("reordered", "6"), ("edited", "7")]),
    ],
)  # fmt: skip
def test_what_was_done_is_named(
    chains: Chains, tampering: str, found: list[tuple[str, str]], stretch: int
) -> None:
    chains.run(tampering)

    assert chains.found(stretch=stretch) == found


@pytest.mark.parametrize(
    ("first", "last", "found"),
    [(2, 6, [("missing", "2-6")]), (6, 9, [("tail cut", "6-9")]), (1, 9, [("tail cut", "1-9")])],
)
def test_many_that_are_missing_are_named_together(
    chains: Chains, first: int, last: int, found: list[tuple[str, str]]
) -> None:
    chains.run(
        f"DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence BETWEEN {first} AND {last}"
    )

    assert chains.found(stretch=100) == found


def test_two_neighbours_that_changed_places(chains: Chains) -> None:
    chains.run(
        "UPDATE audit.entry SET sequence = 9 - sequence WHERE tenant_id = ONE AND sequence IN (4, 5)"
    )

    assert chains.found() == [("reordered", "4"), ("reordered", "5"), ("edited", "6")]


def test_an_entry_of_another_tenant_is_named(chains: Chains) -> None:
    chains.run("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 5")
    chains.run(
        "INSERT INTO audit.entry SELECT (jsonb_populate_record(e, jsonb_build_object('tenant_id', ONE,"
        " 'uid', gen_random_uuid()))).* FROM audit.entry e WHERE tenant_id = OTHER AND sequence = 5"
    )

    (problem, *_) = chains.verify()[0].problems

    assert (problem.kind, problem.sequence) == ("transplanted", 5)
    assert problem.detail == f"it is a copy of entry 5 of tenant {chains.other}"


def test_an_entry_that_was_taken_from_another_tenant_is_named(chains: Chains) -> None:
    chains.run("DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence = 5")
    chains.run("UPDATE audit.entry SET tenant_id = ONE WHERE tenant_id = OTHER AND sequence = 5")

    one, other = chains.verify()

    assert (one.problems[0].kind, one.problems[0].sequence) == ("transplanted", 5)
    assert one.problems[0].detail == f"it is entry 5 of tenant {chains.other}"
    assert [(p.kind, p.numbers) for p in other.problems] == [("missing", "5")]


def test_a_number_that_is_there_twice(chains: Chains) -> None:
    chains.run(
        "INSERT INTO audit.entry SELECT (jsonb_populate_record(e, jsonb_build_object('uid',"
        " gen_random_uuid(), 'created_at', created_at + interval '1 minute'))).*"
        " FROM audit.entry e WHERE tenant_id = ONE AND sequence = 5"
    )

    assert [numbers for _, numbers in chains.found()] == ["5"]


def test_the_hash_function_of_the_database_is_not_believed(chains: Chains) -> None:
    """Whoever edits entries may also replace the function that would tell."""
    chains.run("UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 5")
    chains.admin.execute("BEGIN")
    body = chains.admin.execute("SELECT pg_get_functiondef('audit.entry_hash'::regproc)").fetchone()
    chains.admin.execute("COMMIT")
    assert body is not None
    try:
        chains.run(
            "CREATE OR REPLACE FUNCTION audit.entry_hash(previous bytea, e audit.entry) RETURNS bytea"
            " LANGUAGE sql IMMUTABLE RETURN (e).hash"
        )
        assert chains.found() == [("edited", "5")]
    finally:
        chains.admin.execute(body[0])


def test_the_command_says_it_and_ends_with_1(
    chains: Chains, system: Installation, acme: TenantIdentity
) -> None:
    system.relay()
    out = StringIO()
    call_command("audit", "verify", "--tenant", "acme", stdout=out, stderr=StringIO())
    assert out.getvalue().startswith("ok      acme")
    chains.run("UPDATE audit.entry SET new_values = '{}' WHERE tenant_id = ONE AND sequence = 5")

    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "audit", "verify", "--tenant", "acme", "--tenant", str(chains.one), "--json",
            stdout=out, stderr=StringIO(),
        )  # fmt: skip

    said = json.loads(out.getvalue())
    assert ended.value.code == 1
    assert said["whole"] is False
    by_id = {chain["tenant_id"]: chain for chain in said["chains"]}
    assert by_id[str(acme.id)]["problems"] == []
    assert by_id[str(acme.id)]["tenant"] == "acme"
    assert [p["sequence"] for p in by_id[str(chains.one)]["problems"]] == [5]


@pytest.mark.parametrize("who", ["nobody", "00000000-0000-0000-0000-00000000000f"])
def test_a_trail_that_is_not_there_is_an_error(system: Installation, who: str) -> None:
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--tenant", who, stdout=StringIO(), stderr=StringIO())
