"""How old a replica is, from positions in the log; and when it must not be asked."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from shared_apps.tenants.database.replica import NOT_KNOWN, Marks, Position, problem_of


def test_a_replica_is_as_old_as_the_last_mark_that_it_has_reached() -> None:
    marks = Marks()
    for at, position in ((10.0, 100), (11.0, 200), (12.0, 300)):
        marks.add(position=position, at=at)
    assert marks.age(replayed=99, now=12.0) is None
    assert marks.age(replayed=250, now=12.0) == 1.0
    # It stands still, and grows older.
    marks.add(position=400, at=20.0)
    assert marks.age(replayed=250, now=20.0) == 9.0
    assert marks.age(replayed=400, now=20.0) == 0.0


def test_where_the_primary_stands_still_its_replica_does_not_grow_old() -> None:
    marks = Marks()
    for at in (10.0, 20.0, 3000.0):
        marks.add(position=100, at=at)
        assert marks.age(replayed=100, now=at) == 0.0


PRIMARY = Position(cluster="1", is_standby=False, position=100)


@pytest.mark.parametrize(
    ("replica", "problem"),
    [
        (Position("1", True, 100), None),
        (Position("2", True, 100), "it is a server of another cluster"),
        (Position("1", False, 100), "it is not a standby: it takes writes itself"),
        (Position("1", True, 99), NOT_KNOWN),
    ],
)
def test_only_a_standby_of_this_cluster_that_has_caught_up_is_asked(
    replica: Position, problem: str | None
) -> None:
    assert problem_of(PRIMARY, replica, Marks(), at=0.0, bound=10) == problem


def test_one_is_refused_from_the_bound_on() -> None:
    marks, behind = Marks(), Position("1", True, 100)
    assert problem_of(PRIMARY, behind, marks, at=0.0, bound=10) is None
    later = Position("1", False, 200)
    assert problem_of(later, behind, marks, at=10.0, bound=10) is None
    assert problem_of(later, behind, marks, at=11.0, bound=10) == "it is 11 s behind"


def _databases(**environment: str) -> dict[str, Any]:
    """As a process with this environment is set up."""
    code = (
        "import json; from config.settings.database import DATABASES;"
        "print(json.dumps(DATABASES, default=str))"
    )
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("DATABASE_REPLICA")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


URL = "postgresql://app:secret@replica.example:5433/freehold"


def test_the_alias_is_the_default_at_another_address_and_reads_only() -> None:
    assert "replica" not in _databases()
    for pool in ("0", "4"):
        found = _databases(DATABASE_REPLICA_URL=URL, DATABASE_POOL_SIZE=pool)
        default, replica = found["default"], found["replica"]
        assert (replica["HOST"], replica["PORT"]) == ("replica.example", "5433")
        for name in ("ENGINE", "TENANT_ROLES", "POOL_MODE", "STATEMENT_TIMEOUT_MS"):
            assert replica[name] == default[name]
        assert replica["OPTIONS"]["options"] == "-c default_transaction_read_only=on"
        assert "options" not in default["OPTIONS"]
        assert ("pool" in replica["OPTIONS"]) == (pool == "4")


def test_behind_a_pooler_in_transaction_mode_the_server_itself_refuses_writes() -> None:
    found = _databases(DATABASE_REPLICA_URL=URL, DATABASE_POOL_MODE="transaction")
    assert "options" not in found["replica"]["OPTIONS"]
    assert found["replica"]["POOL_MODE"] == "transaction"
