"""The relay is killed with -9 at every moment while people write: each change is in the trail once, in order."""

import os
import random
import signal
import time
from collections.abc import Generator, Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings

from shared_apps.core.context import TenantIdentity
from tests.installation import Installation
from tests.relays import (
    CHANGES_OF_A_VENDOR,
    Writers,
    assert_each_is_in_the_trail_once,
    at_work,
    change_vendors,
    end,
    new_relay,
    taken_back,
    waiting,
)
from tests.stack.processes import exit_code, fork
from tests.waiting import wait_until

_KILLS = int(os.environ.get("FREEHOLD_TEST_KILLS", "12"))


@pytest.fixture
def tenants(acme: TenantIdentity, globex: TenantIdentity) -> Iterator[list[TenantIdentity]]:
    with taken_back([acme, globex]):
        yield [acme, globex]


def test_killed_at_any_moment_under_eight_writers(
    system: Installation, tenants: list[TenantIdentity]
) -> None:
    generator = random.Random(4711)
    with Writers(tenants) as writers:
        for _ in range(_KILLS):
            writers.wait_for_more()
            with at_work() as child:
                wait_until(lambda: any(map(waiting, tenants)), "there is something to move")
                time.sleep(generator.uniform(0, 0.3))
                os.kill(child, signal.SIGKILL)
                end(child)
    system.relay()

    moved = assert_each_is_in_the_trail_once(tenants)
    assert moved == writers.vendors * CHANGES_OF_A_VENDOR
    print(f"{_KILLS} kills, {moved} changes")  # the figure is what a long run is for


def test_killed_before_every_statement(system: Installation, tenants: list[TenantIdentity]) -> None:
    """Each statement of a relay that empties two outboxes, COMMIT included, in turn."""
    for tenant in tenants:
        change_vendors(tenant, count=10)
    count, survived = 0, False
    while not survived:
        for tenant in tenants:
            change_vendors(tenant, count=1)
        child = fork(lambda: _empty_until(count))  # noqa: B023 (called at once, in the child)
        code = exit_code(child)
        # Its sessions end a moment after it, and hold what it had claimed until then.
        wait_until(lambda: _sessions_of_relays(system) == 0, "the sessions of the dead have ended")
        survived = code == 0
        assert survived or code == -signal.SIGKILL
        count += 1
    system.relay()

    assert assert_each_is_in_the_trail_once(tenants) == 2 * (10 + count) * CHANGES_OF_A_VENDOR
    assert count > 20


def _sessions_of_relays(system: Installation) -> int:
    urls = (settings.RELAY_DATABASE_URL, settings.AUDIT_DATABASE_URL)
    logins = [psycopg.conninfo.conninfo_to_dict(url)["user"] for url in urls]
    with system.owner() as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = ANY(%s)", [logins]
        ).fetchone()
    assert found is not None
    return int(found[0])


class _Doomed(psycopg.Connection[Any]):
    """Its process is killed before a statement is sent, the one of that number on all such connections."""

    left = -1

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **options: Any) -> Any:
        if _Doomed.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        _Doomed.left -= 1
        return super().wait(gen, *arguments, **options)


def _empty_until(statement: int) -> None:
    relay = new_relay()
    with (
        _Doomed.connect(relay.source_url, autocommit=True) as source,
        _Doomed.connect(relay.target_url, autocommit=True) as target,
    ):
        source.execute("SET timezone = 'UTC'")
        _Doomed.left = statement
        failed = relay.shift(source, target).empty()
        _Doomed.left = -1
    assert failed == {}
