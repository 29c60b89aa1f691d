"""The quickstart on a small product: real gunicorn, Celery, PostgreSQL and Redis."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scripts.stack.ports import free_port
from scripts.stack.state import State
from tests.stack.processes import assert_none_left, processes_of, wait_until


class Quickstart:
    """The command in one clone, with one state directory."""

    def __init__(self, clone: Path, *, state: str = ".local") -> None:
        self.command = clone / "scripts" / "quickstart"
        self.state = clone / state
        self.port = free_port()
        self._environment = {"FREEHOLD_PORT": str(self.port), "FREEHOLD_STATE_DIR": state}

    def __call__(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.command, *options],
            env=self.environment(environment),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def environment(self, more: Mapping[str, str] = {}) -> dict[str, str]:
        return {**os.environ, **self._environment, **more}

    def background(self, *options: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self.command, *options],
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def supervisor(self) -> int:
        return int((self.state / "quickstart.lock").read_text())

    def summary(self) -> Any:
        return json.loads((self.state / "quickstart.json").read_text())

    def starts(self) -> int:
        """How often the demo has run on this data."""
        environment = json.loads((self.state / "environment.json").read_text())
        with psycopg.connect(environment["ADMIN_DATABASE_URL"]) as connection:
            row = connection.execute("SELECT count(*) FROM starts").fetchone()
        assert row is not None
        return int(row[0])

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def quickstart(clone: Path) -> Quickstart:
    return Quickstart(clone)


def test_detach_is_healthy_and_stop_leaves_nothing(quickstart: Quickstart) -> None:
    started = quickstart("--detach", RELAY_HAS_STUBBORN_CHILD="1")
    answered = quickstart.answers()
    summary = quickstart.summary()
    mode = (quickstart.state / "quickstart.json").stat().st_mode & 0o777
    stopped = quickstart("--stop")

    assert (started.returncode, started.stderr, answered, mode) == (0, "", True, 0o600)
    assert summary["base_url"] == f"http://localhost:{quickstart.port}"
    assert summary["tenants"] == [
        {
            "slug": "acme",
            "url": f"http://acme.localhost:{quickstart.port}",
            "users": [{"email": "admin@acme.example", "password": "pw", "role": "admin"}],
        }
    ]
    assert f"http://acme.localhost:{quickstart.port}" in started.stdout
    assert stopped.returncode == 0
    assert not processes_of(quickstart.state.parent)
    assert not (quickstart.state / "quickstart.json").exists()


def test_start_while_running_shows_the_table(quickstart: Quickstart) -> None:
    quickstart("--detach")
    supervisor = quickstart.supervisor

    again = quickstart()
    as_json = quickstart("--detach", "--json")

    assert again.returncode == 0
    assert "Already running" in again.stdout
    assert "admin@acme.example" in again.stdout
    assert json.loads(as_json.stdout) == quickstart.summary()
    assert quickstart.supervisor == supervisor


def test_start_again_keeps_data_and_begins_to_count_anew(quickstart: Quickstart) -> None:
    quickstart("--detach")
    quickstart("--stop")
    counted = State(quickstart.state).metrics / "counter_1.db"
    assert not counted.parent.exists()
    # Of one that was killed.
    counted.parent.mkdir()
    counted.touch()

    quickstart("--detach")

    assert quickstart.starts() == 2
    assert not counted.exists()
    assert counted.parent.stat().st_mode & 0o777 == 0o700


def test_stop_is_fine_when_nothing_runs(quickstart: Quickstart) -> None:
    result = quickstart("--stop")

    assert (result.returncode, result.stdout) == (0, "Not running.\n")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"DEMO_FAILS": "1"}, "the demo cannot go on"),
        ({"RELAY_DIES": "1"}, "the relay cannot go on"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--detach"]])
def test_failed_start_says_why_and_leaves_nothing(
    quickstart: Quickstart, options: list[str], environment: dict[str, str], message: str
) -> None:
    result = quickstart(*options, **environment)

    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not processes_of(quickstart.state.parent)


def test_taken_port_is_named_and_nothing_starts(quickstart: Quickstart) -> None:
    with socket.create_server(("127.0.0.1", quickstart.port)):
        result = quickstart("--detach")

    assert result.returncode == 1
    assert f"Port {quickstart.port} is taken by" in result.stderr
    assert f"process {os.getpid()}" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (quickstart.state / "postgres").exists()


@pytest.mark.parametrize("port", ["eighty", "0", "65536", "-1"])
def test_bad_port_is_refused(quickstart: Quickstart, port: str) -> None:
    result = quickstart("--detach", FREEHOLD_PORT=port)

    assert result.returncode == 1
    assert "FREEHOLD_PORT must be a number" in result.stderr
    assert not quickstart.state.exists()


def test_killed_supervisor_leaves_nothing_and_starts_again(quickstart: Quickstart) -> None:
    quickstart("--detach")

    os.kill(quickstart.supervisor, signal.SIGKILL)

    assert_none_left(quickstart.state.parent)
    assert quickstart("--detach").returncode == 0
    assert quickstart.starts() == 2


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 0.9, 1.3, 1.8, 2.5])
def test_start_after_a_kill_within_the_first_start(quickstart: Quickstart, seconds: float) -> None:
    first = quickstart.background("--detach")
    time.sleep(seconds)
    first.kill()
    first.wait()

    second = quickstart("--detach")

    assert (second.returncode, second.stderr) == (0, "")
    assert quickstart.answers()


def test_killed_process_is_started_again(quickstart: Quickstart) -> None:
    quickstart("--detach")
    for name in ("gunicorn", "bin/postgres -D"):
        (master, *_) = [line for line in processes_of(quickstart.state.parent) if name in line]
        os.kill(int(master.split()[0]), signal.SIGKILL)
    log = quickstart.state / "logs" / "quickstart.log"
    assert wait_until(lambda: "web was killed by SIGKILL" in log.read_text())
    assert wait_until(lambda: "PostgreSQL was killed by SIGKILL" in log.read_text())

    assert wait_until(quickstart.answers)
    assert wait_until(lambda: "postgres -D" in str(processes_of(quickstart.state)))


def test_interrupt_stops_everything(quickstart: Quickstart) -> None:
    foreground = quickstart.background()
    assert wait_until((quickstart.state / "quickstart.json").exists, seconds=60)

    foreground.send_signal(signal.SIGINT)

    assert foreground.wait(60) == 0
    assert not processes_of(quickstart.state.parent)


def test_two_run_side_by_side(clone: Path) -> None:
    one, two = Quickstart(clone), Quickstart(clone, state="other state")

    codes = [one("--detach").returncode, two("--detach").returncode]
    answers = [one.answers(), two.answers()]
    two("--stop")

    assert (codes, answers) == ([0, 0], [True, True])
    assert one.answers()


def test_two_starts_at_once_make_one(quickstart: Quickstart) -> None:
    starts = [quickstart.background("--detach") for _ in range(2)]

    assert [start.wait(60) for start in starts] == [0, 0]
    assert quickstart.starts() == 1


def test_reset_deletes_only_its_own(quickstart: Quickstart) -> None:
    quickstart("--detach")
    (quickstart.state / "mine.txt").touch()

    refused = quickstart("--reset")
    running = quickstart.answers()
    done = quickstart("--stop", "--reset")

    assert (refused.returncode, running, done.returncode) == (1, True, 0)
    assert "stop it first" in refused.stderr
    assert [entry.name for entry in quickstart.state.iterdir()] == ["mine.txt"]


def test_a_foreign_directory_is_left_alone(quickstart: Quickstart) -> None:
    quickstart.state.mkdir()
    (quickstart.state / "mine.txt").touch()

    started, reset = quickstart("--detach"), quickstart("--reset")

    assert (started.returncode, reset.returncode) == (1, 1)
    assert [entry.name for entry in quickstart.state.iterdir()] == ["mine.txt"]


def test_manage_passes_arguments_input_and_exit_code(quickstart: Quickstart, place: Path) -> None:
    quickstart("--detach")
    link = place / "link"
    link.symlink_to(quickstart.command.parent / "manage")

    result = subprocess.run(
        [link, "report", "a b"],
        env=quickstart.environment(),
        cwd="/",
        input="from the pipe",
        capture_output=True,
        text=True,
        check=False,
    )

    seen = json.loads(result.stdout)
    assert (result.returncode, seen["arguments"], seen["input"]) == (
        7,
        ["report", "a b"],
        "from the pipe",
    )
    assert seen["env"]["DATABASE_URL"] == quickstart.summary()["database_url"]


def test_manage_says_that_nothing_runs(quickstart: Quickstart) -> None:
    manage = quickstart.command.parent / "manage"

    refused = subprocess.run(
        [manage, "tenant", "list"], capture_output=True, text=True, check=False
    )
    served = subprocess.run(
        [manage, "check"], capture_output=True, text=True, input="", check=False
    )

    assert refused.returncode == 1
    assert "No quickstart runs in" in refused.stderr
    assert served.returncode == 7
