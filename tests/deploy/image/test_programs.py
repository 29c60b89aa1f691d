"""The look around with compose, Flower, and processes that hang or wait."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from scripts.stack.paths import ROOT
from scripts.stack.ports import free_port
from tests.deploy.image import engine, installations
from tests.deploy.image.engine import Container, Network, docker
from tests.deploy.image.installations import Installation, Servers
from tests.waiting import wait_until

SLOW = 600.0
_ADDRESS = re.compile(r"^(http://(\w+)\.localhost:\d+)/accounts/login/$", re.MULTILINE)


@pytest.fixture(scope="module")
def own(image: str) -> Iterator[Network]:
    """Servers of its own, because they are stopped."""
    with engine.network() as made:
        yield made


@pytest.fixture(scope="module")
def installed(own: Network) -> Installation:
    servers: Servers = installations.start_servers(own)
    installation = Installation(servers)
    prepared = own.strict("manage", "prepare", environment=installation.environment())
    assert prepared.wait_for_exit(timeout=SLOW) == 0, prepared.logs()
    return installation


def _asks(container: Container, name: str, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        ["docker", "exec", container.name, "python", "-m", "config.heartbeat", name, *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, (done.stdout or done.stderr).strip()


def test_an_outage_is_told_and_is_no_reason_to_be_restarted(
    own: Network, installed: Installation
) -> None:
    worker = own.strict("/start-celeryworker", environment=installed.serving())
    beat = own.strict("/start-celerybeat", environment=installed.serving())
    relay = own.strict("/start-relay", environment=installed.relaying())
    started = {"worker": worker, "beat": beat, "relay": relay}
    for name, container in started.items():
        wait_until(
            lambda c=container, n=name: _asks(c, n, "--working") == (0, f"{n} works"),  # type: ignore[misc]  # mypy does not infer it
            f"{name} works",
            timeout=SLOW,
        )

    docker("stop", installed.servers.redis.name)
    docker("stop", installed.servers.audit.name)

    waits = {"worker": "the broker", "beat": "the broker", "relay": "a database"}
    for name, what in waits.items():
        expected = f"{name} waits for {what}"
        wait_until(
            lambda n=name, e=expected: _asks(started[n], n, "--seconds", "30") == (0, e),  # type: ignore[misc]  # as above
            expected,
            timeout=SLOW,
        )
        assert _asks(started[name], name, "--seconds", "30", "--working")[0] == 1

    docker("start", installed.servers.redis.name)
    docker("start", installed.servers.audit.name)

    for name, container in started.items():
        wait_until(
            lambda c=container, n=name: _asks(c, n, "--working") == (0, f"{n} works"),  # type: ignore[misc]  # as above
            f"{name} works again",
            timeout=SLOW,
        )
    for container in started.values():
        container.stop()


@pytest.mark.parametrize(
    ("name", "command"), [("worker", "/start-celeryworker"), ("relay", "/start-relay")]
)
def test_a_process_that_hangs_goes_silent(
    own: Network, installed: Installation, name: str, command: str
) -> None:
    container = own.strict(command, environment=installed.relaying())
    wait_until(lambda: _asks(container, name)[0] == 0, "it works", timeout=SLOW)

    os.kill(container.process, signal.SIGSTOP)

    wait_until(
        lambda: _asks(container, name, "--seconds", "5")[0] == 1, "it is silent", timeout=SLOW
    )
    assert re.fullmatch(
        rf"{name} has been silent for \d+ s", _asks(container, name, "--seconds", "5")[1]
    )
    os.kill(container.process, signal.SIGCONT)
    wait_until(lambda: _asks(container, name, "--seconds", "5")[0] == 0, "it is back", timeout=SLOW)
    container.stop()


def test_flower_shows_a_task_to_whoever_has_the_password(
    own: Network, installed: Installation
) -> None:
    worker = own.strict("/start-celeryworker", environment=installed.serving())
    wait_until(worker.is_healthy, "the worker works", timeout=SLOW)
    flower = own.strict(
        "/start-flower", environment={**installed.serving(), "FLOWER_BASIC_AUTH": "ops:hush"}
    )
    url = f"http://{flower.address}:5555"

    def answers() -> bool:
        try:
            return httpx.get(url, timeout=5).status_code == 401
        except httpx.TransportError:
            return False

    wait_until(answers, "Flower answers", timeout=SLOW)
    for path in ("/", "/workers", "/tasks", "/api/tasks", "/api/workers"):
        assert httpx.get(url + path, timeout=30).status_code == 401
        assert httpx.get(url + path, auth=("ops", "wrong"), timeout=30).status_code == 401

    def shows_a_task() -> bool:
        # Beat is not there: a task of ours, sent by its container.
        sent = worker.execute(
            *("/entrypoint", "python", "-c"),
            "import django; django.setup()\n"
            "from shared_apps.core import context\n"
            "from shared_apps.core.queue import enqueue\n"
            "with context.operator(): enqueue('mail.deliver_due')",
        )
        assert sent == ""
        tasks = httpx.get(f"{url}/api/tasks", auth=("ops", "hush"), timeout=30).json()
        return "mail.deliver_due" in {task["name"] for task in tasks.values()}

    wait_until(shows_a_task, "Flower has seen the task", timeout=SLOW)
    flower.stop()
    worker.stop()


def test_flower_without_a_password_does_not_start(own: Network, installed: Installation) -> None:
    started = own.strict("/start-flower", environment=installed.serving())

    assert started.wait_for_exit() == 1
    assert "FLOWER_BASIC_AUTH is not set" in started.logs()


def _compose() -> list[str]:
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("there is no docker compose")


def test_one_command_to_a_signed_in_tenant(image: str) -> None:
    compose, port = _compose(), free_port()
    environment = {
        **os.environ,
        "FREEHOLD_IMAGE": image,
        "FREEHOLD_PORT": str(port),
        "COMPOSE_PROJECT_NAME": f"freehold-image-{uuid4().hex[:8]}",
    }

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*compose, *arguments], cwd=ROOT, env=environment, timeout=600,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    try:
        shown = run("run", "--rm", "-T", "demo")
        found = {slug: url for url, slug in _ADDRESS.findall(shown)}
        passwords = dict(re.findall(r"^  (\S+@\S+) +(\S+)", shown, re.MULTILINE))
        assert sorted(found) == ["acme", "globex"]
        for slug in found:
            person = {
                "email": f"admin@{slug}.example",
                "password": passwords[f"admin@{slug}.example"],
            }
            answer = httpx.post(
                f"http://127.0.0.1:{port}/api/v1/auth/login/",
                headers={"host": f"{slug}.localhost:{port}"},
                json=person,
                timeout=60,
            )
            assert answer.status_code == 200, answer.text
        again = run("run", "--rm", "-T", "demo")
        assert dict(re.findall(r"^  (\S+@\S+) +(\S+)", again, re.MULTILINE)) == passwords
    finally:
        subprocess.run(
            [*compose, "down", "--volumes", "--timeout", "35"], cwd=ROOT, env=environment,
            capture_output=True, timeout=300, check=False,
        )  # fmt: skip
