"""Who fills the pool: the provisioner whenever one was claimed, and `fleet spares` by hand."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from shared_apps.core import attribution, context
from shared_apps.core.queue import enqueue
from shared_apps.fleet import services
from shared_apps.fleet.spares import pool
from tests.fleet import Fleet
from tests.installation import Installation
from tests.made_tenants import removed_afterwards
from tests.spares import emptied_afterwards, fill, there_are
from tests.waiting import wait_until
from tests.workers import Worker, purge, running_worker

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(autouse=True)
def emptied(fleet: Fleet) -> Iterator[None]:
    with emptied_afterwards():
        yield


@pytest.fixture
def provisioner(tmp_path: Path) -> Iterator[Worker]:
    queue = f"{settings.DATABASES['default']['NAME']}_provisioning"
    purge(queue)
    with (
        override_settings(SPARE_SCHEMAS=2),
        running_worker(
            "solo", queue=queue, directory=tmp_path, concurrency=1, environment={"SPARE_SCHEMAS": "2"}
        ) as worker,
    ):  # fmt: skip
        yield worker


def test_a_claim_has_the_pool_refilled(fleet: Fleet, provisioner: Worker) -> None:
    fleet.make(1)  # from the template, for there was none
    wait_until(lambda: len(there_are()) == 2, "two spares")
    first = there_are()

    fleet.make(2)

    assert not set(first) & set(there_are())
    wait_until(lambda: len(there_are()) == 2, "two more spares")
    assert provisioner.lines("raised unexpected") == []


def test_many_who_ask_get_no_more_than_the_target(fleet: Fleet, provisioner: Worker) -> None:
    with context.operator(), attribution.acting(attribution.command("test")):
        for _ in range(10):
            enqueue(services.FILL_TASK)
    wait_until(lambda: len(provisioner.lines("succeeded")) >= 11, "eleven messages")
    assert len(there_are()) == 2


def test_where_none_can_be_made_the_worker_says_so(fleet: Fleet, provisioner: Worker) -> None:
    """The release before, whose worker still runs."""
    fleet.release(_0004_ahead="operations = [migrations.AddField('vendor', 'note', models.TextField(null=True))]")  # fmt: skip
    try:
        fleet.migrate()
        fleet.make(1)
        wait_until(lambda: bool(provisioner.lines("No spare schemas are made")), "a warning")
    finally:
        fleet.undo_release()  # before the fixture takes its own setting back
    assert there_are() == []
    assert provisioner.lines("raised unexpected") == []


def test_without_a_broker_tenants_are_made_all_the_same(fleet: Fleet, system: Installation) -> None:
    with removed_afterwards(system):
        made = subprocess.run(
            [sys.executable, "manage.py", "tenant", "create", "initech", "--name", "Initech",
             "--domain", "initech.localhost", "--admin-email", "a@initech.example"],
            cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "SPARE_SCHEMAS": "1", "CELERY_BROKER_URL": "redis://127.0.0.1:9/0"},
        )  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert "the pool of spare schemas is filled later" in made.stderr


def run(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("fleet", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def shown(*arguments: str) -> Any:
    return json.loads(run("spares", "--json", *arguments)[0])


def test_the_command_shows_and_fills(fleet: Fleet) -> None:
    assert run("spares") == ("0 spare schemas are ready; SPARE_SCHEMAS is 0\n", "")
    out, err = run("spares", "--target", "2")
    names = there_are()
    assert out == "2 spare schemas are ready; SPARE_SCHEMAS is 0\n"
    assert sorted(err.splitlines()) == sorted(
        f"made {spare.schema}, {left} to go" for spare, left in zip(pool.look().spares, (1, 0), strict=True)
    )  # fmt: skip
    assert shown()["ready"] == 2
    assert sorted(spare["schema"] for spare in shown()["spares"]) == names
    assert run("status")[0].splitlines()[-2] == "2 spare schemas are ready for new tenants"
    assert json.loads(run("status", "--json")[0])["spares"] == 2
    # The newest goes, because the oldest is claimed first.
    oldest, newest = pool.look().ready
    out, err = run("spares", "--target", "1")
    assert err == f"dropped {newest.schema}, 0 to go\n"
    assert there_are() == [oldest.schema]
    assert run("spares", "--target", "1") == ("1 spare schemas are ready; SPARE_SCHEMAS is 0\n", "")


def test_what_is_of_no_use_is_named(fleet: Fleet) -> None:
    (spare,) = fill(1).ready
    fleet.release(_0004_other="operations = [migrations.AddField('vendor', 'note', models.TextField(null=True))]")  # fmt: skip
    out, _ = run("spares")
    assert out == (
        f"{spare.schema}: made for another version; it is dropped when the pool is filled\n"
        "0 spare schemas are ready; SPARE_SCHEMAS is 0\n"
    )
    with pytest.raises(CommandError, match="The shared schema is not at this code's version"):
        run("spares", "--target", "1")
    assert there_are() == [spare.schema]
    fleet.undo_release()


@pytest.mark.parametrize("target", ["-1", "x", "1001", "1.5", ""])
def test_a_wrong_target_changes_nothing(fleet: Fleet, target: str) -> None:
    fill(1)
    with pytest.raises(CommandError, match="a whole number from 0 to 1000"):
        run("spares", f"--target={target}")
    assert len(there_are()) == 1
