"""Embedded servers: real processes, started, reused, killed and refused."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
import redis

from scripts.stack.binaries import Binaries
from scripts.stack.errors import StackError
from scripts.stack.infra import embedded
from scripts.stack.postgres import EmbeddedPostgres
from scripts.stack.redis_server import EmbeddedRedis
from tests.stack.processes import assert_none_left, exit_code, fork, processes_of, wait_until


def _postgres(place: Path, binaries: Binaries) -> EmbeddedPostgres:
    return EmbeddedPostgres(place / "postgres", binaries=binaries, durable=False)


def _own_for_ever(place: Path, binaries: Binaries) -> None:
    """What a process does that is going to be killed."""
    _postgres(place, binaries).start()
    EmbeddedRedis(place / "redis", binaries=binaries).start()
    (place / "started").touch()
    time.sleep(1000)


def _start_and_kill_owner(place: Path, binaries: Binaries) -> None:
    (place / "started").unlink(missing_ok=True)
    owner = fork(lambda: _own_for_ever(place, binaries))
    assert wait_until((place / "started").exists)
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)


def test_servers_answer_and_leave_nothing_behind(place: Path) -> None:
    with embedded(place) as servers:
        with psycopg.connect(servers.admin_url) as connection:
            version = connection.info.server_version
        with redis.Redis.from_url(servers.redis_url) as client:
            assert client.ping()

    assert version // 10000 == 18
    assert not processes_of(place)


def test_servers_keep_data_port_and_password(place: Path) -> None:
    with embedded(place, durable=True) as first:
        with psycopg.connect(first.admin_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(first.redis_url) as client:
            client.set("kept", "42")

    with embedded(place, durable=True) as second:
        with psycopg.connect(second.admin_url) as connection:
            row = connection.execute("SELECT answer FROM kept").fetchone()
        with redis.Redis.from_url(second.redis_url) as client:
            value = client.get("kept")

    assert (first, row, value) == (second, (42,), b"42")


def test_servers_demand_their_passwords(place: Path) -> None:
    with embedded(place) as servers:
        wrong = servers.admin_url.replace("postgres:", "postgres:x", 1)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(wrong)
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=int(servers.redis_url.rpartition(":")[2].split("/")[0])).ping()


def test_servers_in_two_directories_run_side_by_side(place: Path) -> None:
    with embedded(place / "one") as one, embedded(place / "two") as two:
        assert one.admin_url != two.admin_url
        psycopg.connect(one.admin_url).close()
        psycopg.connect(two.admin_url).close()


def test_start_takes_another_port_when_its_own_is_taken(place: Path, binaries: Binaries) -> None:
    server = _postgres(place, binaries)
    server.start()
    port = server.port
    server.stop()

    with socket.create_server(("127.0.0.1", port)):
        server.start()
        new_port = server.port
        psycopg.connect(server.url).close()
        server.stop()

    assert new_port != port


def test_start_refuses_data_of_another_version(place: Path, binaries: Binaries) -> None:
    data = place / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    server = _postgres(place, binaries)

    with pytest.raises(StackError, match=r"PostgreSQL 16 .* PostgreSQL 18"):
        server.start()

    assert [entry.name for entry in data.iterdir()] == ["PG_VERSION"]
    server.directory.acquire()


def test_start_refuses_a_directory_that_is_in_use(place: Path, binaries: Binaries) -> None:
    owner = _postgres(place, binaries)
    owner.start()

    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        _postgres(place, binaries).start()

    psycopg.connect(owner.url).close()
    owner.stop()


def test_failed_start_shows_the_log_and_leaves_nothing(place: Path, binaries: Binaries) -> None:
    server = _postgres(place, binaries)
    server.start()
    server.stop()
    with (place / "postgres" / "data" / "postgresql.conf").open("a") as settings:
        settings.write("no_such_setting = 1\n")

    with pytest.raises(StackError, match="no_such_setting"):
        server.start()

    assert not processes_of(place)
    server.directory.acquire()


def test_start_overcomes_the_pid_file_of_a_dead_server(place: Path, binaries: Binaries) -> None:
    server = _postgres(place, binaries)
    server.start()
    server.stop()
    data = place / "postgres" / "data"
    # The same user: PostgreSQL itself sees through a process that it may not signal.
    stranger = subprocess.Popen(["sleep", "60"], user=data.stat().st_uid)
    pid_file = data / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{data}\n1\n{server.port}\n\n127.0.0.1\n1 1\nready\n")
    shutil.chown(pid_file, data.owner(), data.group())

    server.start()
    psycopg.connect(server.url).close()
    server.stop()

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_killed_owner_leaves_no_process(place: Path, binaries: Binaries) -> None:
    _start_and_kill_owner(place, binaries)

    assert_none_left(place)


def test_start_right_after_the_owner_was_killed(place: Path, binaries: Binaries) -> None:
    _start_and_kill_owner(place, binaries)

    server = _postgres(place, binaries)
    server.start()
    psycopg.connect(server.url).close()
    server.stop()


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.2, 0.35, 0.5])
def test_start_after_a_kill_within_the_first_start(
    place: Path, binaries: Binaries, seconds: float
) -> None:
    owner = fork(lambda: _own_for_ever(place, binaries))
    time.sleep(seconds)
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)

    server = _postgres(place, binaries)
    server.start()
    psycopg.connect(server.url).close()
    server.stop()


def test_stop_returns_after_the_last_process_of_a_killed_server(
    place: Path, binaries: Binaries
) -> None:
    server = _postgres(place, binaries)
    server.start()
    assert server.process is not None
    server.process.kill()

    server.stop()

    assert not processes_of(place)


def test_servers_below_a_directory_that_others_cannot_enter(
    place: Path, binaries: Binaries
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    enclosed = Binaries(closed / "binaries")
    shutil.copytree(binaries.directory, enclosed.directory)

    server = _postgres(closed / "with space, comma", enclosed)
    server.start()
    psycopg.connect(server.url).close()
    server.stop()

    assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_servers_run_for_an_ordinary_user(place: Path, binaries: Binaries) -> None:
    reachable = Binaries(place / "binaries")
    shutil.copytree(binaries.directory, reachable.directory)
    home = place / "home"
    home.mkdir()
    shutil.chown(home, "nobody")

    def life() -> None:
        server = _postgres(home, reachable)
        for _ in range(2):
            server.start()
            psycopg.connect(server.url).close()
            server.stop()

    assert exit_code(fork(life, user="nobody")) == 0
    assert (home / "postgres" / "data").owner() == "nobody"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_killed_ordinary_user_leaves_no_process(place: Path, binaries: Binaries) -> None:
    reachable = Binaries(place / "binaries")
    shutil.copytree(binaries.directory, reachable.directory)
    home = place / "home"
    home.mkdir()
    shutil.chown(home, "nobody")

    owner = fork(lambda: _own_for_ever(home, reachable), user="nobody")
    assert wait_until((home / "started").exists)
    os.kill(owner, signal.SIGKILL)
    os.waitpid(owner, 0)

    assert_none_left(place)
