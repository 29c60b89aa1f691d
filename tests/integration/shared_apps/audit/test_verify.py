"""`audit verify` after somebody who may do everything in the audit database has been there."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from shared_apps.core.context import TenantIdentity
from tests.audit_chains import ENTRIES, Chains, two_chains
from tests.installation import Installation


@pytest.fixture
def chains(system: Installation) -> Iterator[Chains]:
    with two_chains() as made:
        yield made


@pytest.mark.parametrize(("stretch", "jobs"), [(1, 1), (2, 1), (9, 1), (100, 1), (2, 3)])
def test_chains_that_nobody_touched_are_whole(chains: Chains, stretch: int, jobs: int) -> None:
    one, other = chains.verify(stretch=stretch, jobs=jobs)

    assert (one.entries, one.sequence, one.problems) == (ENTRIES, ENTRIES, ())
    assert (other.entries, other.sequence, other.problems) == (ENTRIES, ENTRIES, ())
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
