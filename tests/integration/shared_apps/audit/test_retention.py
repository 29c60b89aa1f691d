"""`audit prune`: what goes, what must stay, and that the rest still verifies."""

from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from shared_apps.audit.transfer import INSTALLATION
from shared_apps.core import context
from tests.installation import Installation
from tests.integration.shared_apps.audit.old_trails import MONTHS, OldTrails, old_trails

KEPT = [10, 11, 12]


@pytest.fixture
def trails(system: Installation, tmp_path: Path) -> Iterator[OldTrails]:
    with old_trails(tmp_path) as made:
        yield made


def test_what_is_old_goes_by_whole_months_and_the_rest_verifies(trails: OldTrails) -> None:
    one, other = trails.chains.one, trails.chains.other
    assert trails.months() == MONTHS

    code, said = trails.prune("--older-than", "5y")

    assert (code, said["dropped"], trails.months()) == (0, MONTHS, [])
    assert [(step["pruned"], step["up_to"]) for step in said["steps"]] == [(0, 9), (0, 9)]
    # The 13th tells of it.
    assert (trails.numbers(one), trails.numbers(other)) == ([*KEPT, 13], [*KEPT, 13])
    assert trails.problems() == []
    assert [verdict.pruned for verdict in trails.chains.verify(stretch=1)] == [9, 9]
    trails.anchor()
    assert trails.problems() == []


def test_the_trails_and_the_installations_tell_of_it(trails: OldTrails) -> None:
    trails.prune("--older-than", "5y")

    told = trails.chains.admin.execute(
        "SELECT new_values ->> 'pruned_up_to', attribution ->> 'system', tenant_id = %s FROM audit.entry"
        " WHERE tenant_id = %s AND sequence = 13",
        [trails.chains.one, trails.chains.one],
    ).fetchall()
    of_all = trails.chains.admin.execute(
        "SELECT new_values::text FROM audit.entry WHERE tenant_id = %s AND entity_type = 'audit.retention'"
        " ORDER BY sequence DESC LIMIT 1",
        [INSTALLATION],
    ).fetchone()

    assert told == [("9", "command:audit", True)]
    assert of_all == ('{"trails": 2, "entries": 18}',)


def test_a_month_that_another_trail_needs_stays_for_it(trails: OldTrails) -> None:
    with context.operator():
        call_command(
            "audit", "retention", "--tenant", str(trails.chains.other), "--hold", "lawsuit",
            stdout=StringIO(),
        )  # fmt: skip

    code, said = trails.prune("--older-than", "5y")

    assert code == 1
    assert said["refused"] == {str(trails.chains.other): "held: lawsuit"}
    assert trails.months() == MONTHS
    assert trails.numbers(trails.chains.one) == [*KEPT, 13]
    assert trails.numbers(trails.chains.other)[:12] == list(range(1, 13))
    assert trails.problems() == []


def test_a_plan_changes_nothing(trails: OldTrails) -> None:
    code, said = trails.run("--older-than", "5y", "--plan")

    assert (code, len(said["steps"])) == (0, 2)
    assert trails.numbers(trails.chains.one) == list(range(1, 13))


def test_each_trail_is_kept_for_as_long_as_it_was_said(trails: OldTrails) -> None:
    """What a prune asks for does not overrule it; without being asked it is what counts."""
    with context.operator():
        for tenant, keep in ((trails.chains.one, "90y"), (trails.chains.other, "5y")):
            call_command(
                "audit", "retention", "--tenant", str(tenant), "--keep", keep, stdout=StringIO()
            )

    _, asked = trails.run("--older-than", "1y", "--plan")
    _, unasked = trails.run("--plan")

    assert [step["tenant_id"] for step in asked["steps"]] == [str(trails.chains.other)]
    assert [step["tenant_id"] for step in unasked["steps"]] == [str(trails.chains.other)]


def test_what_is_in_no_anchor_stays(trails: OldTrails) -> None:
    """An entry that came late is old, but was added after the last anchor."""
    trails.append(datetime(2019, 3, 1, tzinfo=UTC), 2)
    trails.chains.run(
        "UPDATE audit.entry SET created_at = '2019-02-27' WHERE sequence IN (10, 11, 12) AND tenant_id = ONE"
    )

    _, said = trails.run("--older-than", "5y", "--plan")

    assert said["refused"] == {str(trails.chains.one): "not whole: 10 edited"}
    assert [(step["tenant_id"], step["up_to"]) for step in said["steps"]] == [
        (str(trails.chains.other), 9)
    ]


def test_a_trail_that_was_rewritten_stays(trails: OldTrails) -> None:
    trails.chains.run(
        "DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence > 8;"
        "UPDATE audit.chain c SET sequence = 8, hash = e.hash FROM audit.entry e"
        " WHERE c.tenant_id = ONE AND e.tenant_id = ONE AND e.sequence = 8"
    )

    code, said = trails.run("--older-than", "5y", "--plan")

    assert code == 1
    assert said["refused"] == {str(trails.chains.one): "not whole: 9-12 rolled back"}


def test_without_a_relay_nothing_goes(trails: OldTrails) -> None:
    with pytest.raises(CommandError, match="audit relay"):
        trails.run("--older-than", "5y", "--yes", "--wait", "0")

    assert trails.numbers(trails.chains.one) == list(range(1, 13))
    assert trails.prune("--older-than", "5y")[0] == 0  # told once, and gone


def test_rows_that_are_removed_by_hand_are_not_retention(trails: OldTrails) -> None:
    trails.chains.run(
        "INSERT INTO audit.checkpoint SELECT tenant_id, sequence, hash, 1 FROM audit.entry"
        " WHERE tenant_id = ONE AND sequence = 9; DELETE FROM audit.entry WHERE tenant_id = ONE AND sequence <= 9"
    )

    assert trails.problems() == [("pruned", "1-9")]


def test_a_checkpoint_with_another_hash_does_not_fit(trails: OldTrails) -> None:
    trails.prune("--older-than", "5y")
    trails.chains.run("UPDATE audit.checkpoint SET hash = sha256('x') WHERE tenant_id = ONE")

    assert trails.problems() == [("edited", "10"), ("rewritten", "1-9")]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("SELECT audit.set_checkpoint(ONE, 9)", "no entry of .* tells"),
        ("SELECT audit.set_checkpoint(ONE, 11)", "younger than 90 days"),
        ("SELECT audit.set_checkpoint(ONE, 13)", "is in no anchor"),
        ("DELETE FROM audit.entry", "permission denied"),
        ("TRUNCATE audit.entry", "permission denied"),
        ("DROP TABLE audit.entry_2019_01", "must be owner"),
        ("SELECT * FROM audit.entry", "permission denied"),
        ("UPDATE audit.retention_limit SET minimum_age = '0'", "permission denied"),
        ("INSERT INTO audit.checkpoint VALUES (ONE, 9, '', 1)", "permission denied"),
        ("UPDATE audit.retention SET hold = NULL", "permission denied"),
        ("SELECT audit.record_ends(1, ARRAY[ONE::uuid], ARRAY[13::bigint], ARRAY[''::bytea])", "permission denied"),
    ],
)  # fmt: skip
def test_the_retention_login_cannot_go_further(
    trails: OldTrails, statement: str, refusal: str
) -> None:
    with psycopg.connect(settings.AUDIT_RETENTION_DATABASE_URL, autocommit=True) as login:
        with pytest.raises(psycopg.Error, match=refusal):
            login.execute(statement.replace("ONE", f"'{trails.chains.one}'"))  # type: ignore[arg-type]
        assert login.execute(
            "SELECT audit.delete_pruned(%s, 100)", [trails.chains.one]
        ).fetchone() == (0,)
        for month in (*MONTHS, "entry", "chain", "nonsense"):
            assert login.execute("SELECT audit.drop_pruned_month(%s)", [month]).fetchone() == (
                False,
            )
    assert trails.numbers(trails.chains.one) == list(range(1, 13))


def test_a_hold_is_refused_by_the_audit_database_itself(trails: OldTrails) -> None:
    trails.chains.run("INSERT INTO audit.retention VALUES (ONE, NULL, 'lawsuit')")

    with (
        psycopg.connect(settings.AUDIT_RETENTION_DATABASE_URL, autocommit=True) as login,
        pytest.raises(psycopg.errors.CheckViolation, match="held: lawsuit"),
    ):
        login.execute("SELECT audit.set_checkpoint(%s, 9)", [trails.chains.one])


def test_a_reader_of_an_old_month_is_not_waited_for_long(trails: OldTrails) -> None:
    """Its rows go one by one, and a relay that adds meanwhile does not wait."""
    with trails.chains.admin.transaction():
        trails.chains.admin.execute("SELECT count(*) FROM audit.entry")

        code, said = trails.prune("--older-than", "5y")

    assert (code, said["dropped"], trails.months()) == (0, [], MONTHS)
    assert trails.numbers(trails.chains.one) == [*KEPT, 13]
    assert trails.problems() == []


def test_rows_that_an_interrupted_run_left_go_with_the_next(trails: OldTrails) -> None:
    trails.chains.admin.execute("CREATE TEMPORARY TABLE kept AS SELECT * FROM audit.entry")
    trails.prune("--older-than", "5y")
    with psycopg.connect(settings.AUDIT_MIGRATION_DATABASE_URL) as owner:
        for day in ("2019-01-05", "2019-02-05"):
            owner.execute("SELECT audit.ensure_partition(%s)", [day])
    trails.chains.run(
        "INSERT INTO audit.entry SELECT * FROM kept WHERE sequence <= 9 AND tenant_id IN (ONE, OTHER)"
    )
    assert trails.problems() == []

    code, said = trails.prune("--older-than", "5y")

    assert code == 0
    assert [(step["pruned"], step["up_to"]) for step in said["steps"]] == [(9, 9), (9, 9)]
    assert trails.numbers(trails.chains.one) == [*KEPT, 13]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--older-than", "7"],
        ["--before", "tomorrow"],
        ["--before", "2019-01-01", "--older-than", "7y"],
    ],
)
def test_a_wrong_argument_is_refused(system: Installation, arguments: list[str]) -> None:
    with pytest.raises(CommandError):
        call_command("audit", "prune", *arguments, stdout=StringIO(), stderr=StringIO())


def test_nothing_that_is_old_enough_is_no_error(trails: OldTrails) -> None:
    code, said = trails.run("--before", "2018-01-01")

    assert (code, said["steps"], said["refused"]) == (0, [], {})


def test_what_is_kept_is_shown(trails: OldTrails) -> None:
    out = StringIO()
    with context.operator():
        call_command(
            "audit", "retention", "--tenant", str(trails.chains.one), "--keep", "7y", stdout=out
        )

    assert out.getvalue().splitlines()[0] == "nothing younger than 90 days goes"
    assert f"{trails.chains.one}" in out.getvalue()
    assert "kept 7 years" in out.getvalue()


def test_a_rule_is_told_in_the_trail_that_it_is_about(
    trails: OldTrails, system: Installation
) -> None:
    with context.operator():
        for arguments in (
            ["--tenant", str(trails.chains.one), "--hold", "lawsuit"],
            ["--minimum-age", "90d"],
        ):
            call_command("audit", "retention", *arguments, stdout=StringIO())
    system.relay()

    told = trails.chains.admin.execute(
        "SELECT tenant_id, new_values ->> 'hold', new_values ->> 'minimum_age' FROM audit.entry"
        " WHERE entity_type = 'audit.retention' ORDER BY completed_at DESC LIMIT 2"
    ).fetchall()

    assert set(told) == {(trails.chains.one, "lawsuit", None), (INSTALLATION, None, "90 days")}
