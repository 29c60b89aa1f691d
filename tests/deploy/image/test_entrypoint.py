"""What the entrypoint does before it becomes the command, with a real PostgreSQL."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.deploy.image import installations
from tests.deploy.image.engine import IMAGE, STRICT, Container, Network, docker
from tests.deploy.image.installations import PASSWORD, Servers
from tests.waiting import wait_until

_PARTS = {
    "POSTGRES_HOST": "application",
    "POSTGRES_DB": "postgres",
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": PASSWORD,
}


def _ended(container: Container, *, timeout: float = 120) -> tuple[int, str]:
    return container.wait_for_exit(timeout=timeout), container.logs()


def test_a_password_may_hold_any_character(servers: Servers) -> None:
    """The address is used by a program that is not ours."""
    asked = servers.network.strict(
        "sh", "-c", 'psql "$DATABASE_URL" -At -c "SELECT 6 * 7"', environment=_PARTS
    )

    code, output = _ended(asked)

    assert (code, output.strip().splitlines()[-1]) == (0, "42")


def test_each_part_may_be_a_file(servers: Servers, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for name, value in _PARTS.items():
        (tmp_path / name).write_text(value)
    files = {f"{name}_FILE": f"/run/secrets/freehold/{name}" for name in _PARTS}

    asked = servers.network.strict(
        *("sh", "-c", 'psql "$DATABASE_URL" -At -c "SELECT 6 * 7"'),
        environment=files,
        options=("--volume", f"{tmp_path}:/run/secrets/freehold:ro"),
    )

    code, output = _ended(asked)
    assert (code, output.strip().splitlines()[-1]) == (0, "42")


@pytest.mark.parametrize(
    ("given", "broker"),
    [
        ({"REDIS_URL": "redis://redis:6379/0"}, "redis://redis:6379/0"),
        (
            {"REDIS_URL": "redis://redis:6379/0", "CELERY_BROKER_URL": "redis://other:6379/3"},
            "redis://other:6379/3",
        ),
        ({}, ""),
    ],
)
def test_the_broker_is_redis_unless_named(
    network: Network, given: dict[str, str], broker: str
) -> None:
    code, output = _ended(
        network.strict("sh", "-c", 'echo "$CELERY_BROKER_URL"', environment=given)
    )

    assert (code, output.strip()) == (0, broker)


def test_everything_that_is_wrong_is_said_at_once_and_no_password(network: Network) -> None:
    code, output = _ended(
        network.strict(
            "true",
            environment={
                "POSTGRES_USER": "app",
                "POSTGRES_PASSWORD": "hush-hush",
                "AUDIT_POSTGRES_HOST": "/var/run",
                "AUDIT_POSTGRES_USER": "writer",
                "AUDIT_POSTGRES_PASSWORD_FILE": "/nowhere",
                "AUDIT_POSTGRES_DB": "audit",
                "POSTGRES_WAIT_SECONDS": "soon",
            },
        )
    )

    assert code == 1
    assert output.strip() == (
        "entrypoint: AUDIT_POSTGRES_HOST must be a host, not the directory of a socket;"
        " AUDIT_POSTGRES_PASSWORD_FILE cannot be read: /nowhere (FileNotFoundError);"
        " POSTGRES_DB is not set (nor POSTGRES_DB_FILE);"
        " POSTGRES_HOST is not set (nor POSTGRES_HOST_FILE);"
        " POSTGRES_WAIT_SECONDS must be a whole number from 0 to 3600"
    )


def test_it_waits_for_a_server_that_comes_late(network: Network) -> None:
    waiting = network.strict(
        *("sh", "-c", 'psql "$DATABASE_URL" -At -c "SELECT 6 * 7"'),
        environment={**_PARTS, "POSTGRES_HOST": "late"},
    )
    wait_until(lambda: "does not answer yet" in waiting.logs(), "it tells that it waits")

    installations.start_postgres(network, "late")

    code, output = _ended(waiting)
    lines = output.strip().splitlines()
    assert (code, lines[-1]) == (0, "42")
    assert lines[0] == "entrypoint: PostgreSQL at late:5432 does not answer yet; waiting up to 60 s"
    assert len(lines) == 3
    assert PASSWORD not in output


def test_it_gives_up_in_one_line(network: Network) -> None:
    code, output = _ended(
        network.strict(
            "true",
            environment={**_PARTS, "POSTGRES_HOST": "never", "POSTGRES_WAIT_SECONDS": "2"},
        )
    )

    assert code == 1
    assert (
        output.strip().splitlines()[-1]
        == "entrypoint: PostgreSQL at never:5432 did not answer within 2 s"
    )
    assert "Traceback" not in output


def test_it_can_be_stopped_while_it_waits(network: Network) -> None:
    waiting = network.strict("true", environment={**_PARTS, "POSTGRES_HOST": "never"})
    wait_until(lambda: "does not answer yet" in waiting.logs(), "it tells that it waits")

    docker("kill", "--signal", "TERM", waiting.name)

    assert waiting.wait_for_exit() == 128 + signal.SIGTERM


def test_it_becomes_the_command(network: Network) -> None:
    sleeping = network.strict("sleep", "600")
    wait_until(
        lambda: Path(f"/proc/{sleeping.process}/cmdline").read_bytes() == b"sleep\x00600\x00",
        "process 1 is the command",
    )

    os.kill(sleeping.process, signal.SIGKILL)
    assert sleeping.wait_for_exit() == 128 + signal.SIGKILL


def test_a_command_that_is_not_there_is_named(network: Network) -> None:
    code, output = _ended(network.strict("/start-nothing"))

    assert (code, output.strip()) == (127, "entrypoint: there is no command /start-nothing")


@pytest.mark.parametrize(
    "root",
    [
        "https://api.one.example/v1",
        "https://two.example/a&b/?x=1&y=2",
        "</script><script>alert(1)</script>",
        "quote\" and 'quote' and \\ and | and \u2028 and ü",
    ],
)
def test_a_front_end_is_told_where_it_runs(image: str, root: str, tmp_path: Path) -> None:
    """One image, a front end mounted beside it, any address, nothing of either written to."""
    output = docker(
        *("run", "--rm", *STRICT),
        *("--env", f"VITE_APP_API_ROOT={root}", "--env", "VITE_APP_STATIC_ROOT=/static/"),
        *("--env", "FRONTEND_CONFIG_FILE=/tmp/config.js", "--env", "OTHER=hidden"),
        *(IMAGE, "cat", "/tmp/config.js"),
    )

    start, end = "window.__APP_CONFIG__ = Object.freeze(", ");"
    assert output.startswith(start)
    assert output.endswith(end)
    assert json.loads(output[len(start) : -len(end)]) == {
        "API_ROOT": root,
        "STATIC_ROOT": "/static/",
    }
    assert "<" not in output
    assert "\u2028" not in output


def test_a_front_end_that_cannot_be_told_is_an_error(network: Network) -> None:
    code, output = _ended(
        network.strict("true", environment={"FRONTEND_CONFIG_FILE": "/srv/config.js"})
    )

    assert code == 1
    assert output.strip() == (
        "entrypoint: FRONTEND_CONFIG_FILE cannot be written: /srv/config.js (Read-only file system)"
    )


def test_probes_cost_little(image: str, network: Network) -> None:
    """Asked several times a minute, perhaps with a tenth of a processor: neither Django nor Celery is loaded."""
    modules = network.strict(
        *("python", "-c", "import sys, config.heartbeat; print(sorted(sys.modules))")
    )

    code, output = _ended(modules)

    assert code == 0
    assert "django" not in output
    assert "celery" not in output
