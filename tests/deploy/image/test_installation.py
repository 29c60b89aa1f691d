"""Three containers of one installation start at once; then it does what the quickstart does."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deploy.image.engine import Container, docker
from tests.deploy.image.installations import PASSWORD, Installation, Servers
from tests.waiting import wait_until

OPERATOR, FIRST, SECOND = "root@example.com", "first long pass phrase", "second long pass phrase"
ADMIN, ADMIN_PASSWORD = "admin@acme.example", "a pass phrase of acme"
HOST = "acme.example.com"
SLOW = 600.0
_TENANTS = f"""
apiVersion: freehold/v1
tenants:
  - slug: acme
    name: Acme
    domains: [{HOST}]
    admins: [{ADMIN}]
    auth: {{backend: database, secrets: {{admin_password: {{env: ADMIN_PASSWORD}}}}}}
"""
_VENDOR = {
    "model": "invoicing.vendor",
    "pk": "11111111-1111-4111-8111-111111111111",
    "fields": {
        "name": "Fixture AG",
        "created_by": "33333333-3333-4333-8333-333333333333",
        "created_at": "2026-01-01T00:00:00Z",
    },
}


@dataclass
class Running:
    installation: Installation
    fixtures: Path
    replicas: list[Container]
    others: dict[str, Container] = field(default_factory=dict)

    def client(self, replica: int = 0, host: str = HOST) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://{self.replicas[replica].address}:5000/api/v1/",
            headers={"host": host, "x-forwarded-proto": "https"},
            timeout=60,
        )

    def sign_in(self, email: str, password: str, *, host: str) -> httpx.Response:
        with self.client(host=host) as client:
            return client.post("auth/login/", json={"email": email, "password": password})


def _fixtures(directory: Path) -> Path:
    directory.chmod(0o755)
    for kind in ("installation", "tenant"):
        (directory / kind).mkdir()
    (directory / "tenant/vendors.json").write_text(json.dumps([_VENDOR]))
    (directory / "tenant/dev_vendors.json").write_text(
        json.dumps([{**_VENDOR, "pk": "22222222-2222-4222-8222-222222222222"}])
    )
    group = {
        "model": "auth.group",
        "pk": 7,
        "fields": {"name": "from a fixture", "permissions": []},
    }
    (directory / "installation/groups.json").write_text(json.dumps([group]))
    return directory


@pytest.fixture(scope="module")
def running(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    installation = Installation(servers)
    fixtures = _fixtures(tmp_path_factory.mktemp("fixtures"))
    options = ("--volume", f"{fixtures}:/app/fixtures:ro")
    environment = installation.environment(
        DJANGO_SUPERUSER_EMAIL=OPERATOR, DJANGO_SUPERUSER_PASSWORD=FIRST
    )
    replicas = [
        servers.network.strict("/start", environment=environment, options=options) for _ in range(3)
    ]
    for replica in replicas:
        wait_until(replica.is_healthy, "a replica serves", timeout=SLOW)
    yield Running(installation, fixtures, replicas)
    for replica in replicas:
        docker("rm", "--force", replica.name)


@pytest.fixture(scope="module")
def acme(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """With a tenant, and everything that works in the background."""
    network, installation = running.installation.servers.network, running.installation
    file = tmp_path_factory.mktemp("declared") / "tenants.yaml"
    file.parent.chmod(0o755)
    file.write_text(_TENANTS)
    applying = network.strict(
        *("manage", "tenant", "apply", "-f", "/declared/tenants.yaml", "--yes"),
        environment={**installation.environment(), "ADMIN_PASSWORD": ADMIN_PASSWORD},
        options=(
            *("--volume", f"{file.parent}:/declared:ro"),
            *("--volume", f"{running.fixtures}:/app/fixtures:ro"),
        ),
    )
    assert applying.wait_for_exit(timeout=SLOW) == 0, applying.logs()
    for name, command, environment in (
        ("worker", "/start-celeryworker", installation.serving()),
        ("provisioner", "/start-provisioner", installation.provisioning()),
        ("beat", "/start-celerybeat", installation.serving()),
        ("relay", "/start-relay", installation.relaying()),
    ):
        running.others[name] = network.strict(command, environment=environment)
    for container in running.others.values():
        wait_until(container.is_healthy, "it works", timeout=SLOW)
    return running


def test_one_prepares_at_a_time_and_the_work_is_done_once(running: Running) -> None:
    logs = [replica.logs() for replica in running.replicas]

    assert [log.count("prepare: the installation is prepared") for log in logs] == [1, 1, 1]
    assert sum("another container prepares the installation" in log for log in logs) == 2
    assert sum(log.count(f"operator {OPERATOR} made") for log in logs) == 1
    assert sum(log.count("fixture groups.json loaded") for log in logs) == 1
    sql = running.installation.sql
    assert sql("SELECT count(*) - count(DISTINCT (app, name)) FROM django_migrations") == "0"
    assert sql("SELECT count(*) FROM accounts_user WHERE is_operator") == "1"
    assert sql("SELECT name FROM auth_group WHERE id = 7") == "from a fixture"


def test_what_serves_has_no_login_that_owns_anything(running: Running) -> None:
    environment = Path(f"/proc/{running.replicas[0].process}/environ").read_text().split("\0")
    names = {line.partition("=")[0] for line in environment}

    assert {name for name in names if name.endswith("DATABASE_URL")} == {
        "DATABASE_URL",
        "AUDIT_DATABASE_URL",
        "AUDIT_READER_DATABASE_URL",
    }
    assert {name for name in names if "POSTGRES" in name or "SUPERUSER" in name} == set()


def test_a_first_hour(acme: Running) -> None:
    """Sign in, issue an invoice, read the audit entry; each request at another replica."""
    signed_in = acme.sign_in(ADMIN, ADMIN_PASSWORD, host=HOST)
    assert signed_in.status_code == 200, signed_in.text
    bearer = {"authorization": f"Bearer {signed_in.json()['access']}"}
    item = {"description": "Paper", "quantity": "2", "unit_price": "10.50", "tax_rate": "0.19"}

    with acme.client(1) as client:
        vendors = client.get("vendors/", headers=bearer).json()["results"]
        body = {"vendor": vendors[0]["id"], "currency": "EUR", "items": [item]}
        draft = client.post("invoices/", headers=bearer, json=body).json()
    with acme.client(2) as client:
        issued = client.post(f"invoices/{draft['id']}/issue/", headers=bearer).json()
        found: list[dict[str, Any]] = []

        def is_recorded() -> bool:
            query = {"record_id": draft["id"]}
            found[:] = client.get("audit/entries/", headers=bearer, params=query).json()["results"]
            return len(found) > 1

        wait_until(is_recorded, "the relay moves the entries")

    # Of the tenant's fixtures, and none of those for development.
    assert [vendor["name"] for vendor in vendors] == ["Fixture AG"]
    assert (issued["status"], issued["amount"]) == ("ISSUED", "24.99")
    assert {entry["operation"] for entry in found} == {"CREATE", "UPDATE"}
    assert {entry["modified_by_email"] for entry in found} == {ADMIN}


def test_it_says_which_build_it_is(acme: Running) -> None:
    with acme.client() as client:
        info = client.get("version-info/").json()

    labels = json.loads(docker("image", "inspect", "freehold:tested"))[0]["Config"]["Labels"]
    assert info == {
        "version": labels["org.opencontainers.image.version"],
        "environment": "production",
        "commit": labels["org.opencontainers.image.revision"],
    }


def test_a_request_that_is_under_way_is_answered_before_it_ends(acme: Running) -> None:
    """Two requests: one has sent half of its body when the container is told to stop."""
    replica = acme.replicas.pop()
    body = json.dumps({"email": ADMIN, "password": ADMIN_PASSWORD}).encode()
    head = (
        f"POST /api/v1/auth/login/ HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-Proto: https\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    took: list[float] = []
    with socket.create_connection((replica.address, 5000), timeout=60) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.5)  # for the worker to have begun; too short would make this test easier
        stopping = threading.Thread(target=lambda: took.append(replica.stop()))
        stopping.start()
        wait_until(lambda: "signal: term" in replica.logs().lower(), "it is told to end")
        connection.sendall(body[10:])
        answer = connection.makefile("rb").readline()
    stopping.join()

    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert replica.inspect()["State"]["ExitCode"] == 0
    assert took[0] < 35


def test_a_new_password_of_the_environment_is_given_once(acme: Running) -> None:
    network, installation = acme.installation.servers.network, acme.installation
    assert acme.sign_in(OPERATOR, FIRST, host="ops.example.com").status_code == 200

    def prepare(password: str) -> str:
        prepared = network.strict(
            *("manage", "prepare"),
            environment=installation.environment(
                DJANGO_SUPERUSER_EMAIL=OPERATOR, DJANGO_SUPERUSER_PASSWORD=password
            ),
        )
        assert prepared.wait_for_exit(timeout=SLOW) == 0, prepared.logs()
        return prepared.logs()

    assert "operator" not in prepare(FIRST)
    assert f"operator {OPERATOR} given the password of the environment" in prepare(SECOND)
    assert acme.sign_in(OPERATOR, FIRST, host="ops.example.com").status_code == 401
    assert acme.sign_in(OPERATOR, SECOND, host="ops.example.com").status_code == 200


@pytest.mark.parametrize("name", ["worker", "provisioner", "beat", "relay"])
def test_each_says_that_it_works(acme: Running, name: str) -> None:
    said = acme.others[name].execute("python", "-m", "config.heartbeat", name, "--seconds", "30")

    assert said == f"{name} works"
    assert acme.others[name].stop() < 35
    assert acme.others[name].inspect()["State"]["ExitCode"] == 0


def test_killed_in_the_middle_the_next_goes_on(servers: Servers) -> None:
    installation = Installation(servers, redis_database=4)
    first = servers.network.strict("/start", environment=installation.environment())

    def has_begun() -> bool:
        present = servers.application.execute(
            *("env", f"PGPASSWORD={PASSWORD}", "psql", "-U", "postgres", "-h", "127.0.0.1", "-At"),
            *("-c", f"SELECT 1 FROM pg_database WHERE datname = '{installation.database}'"),
            check=False,
        )
        return present == "1" and installation.sql("SELECT to_regclass('django_migrations')") != ""

    wait_until(has_begun, "it migrates", timeout=SLOW)
    docker("kill", first.name)
    assert "the installation is prepared" not in first.logs()

    second = servers.network.strict("/start", environment=installation.environment())

    wait_until(second.is_healthy, "the next serves", timeout=SLOW)
    assert second.logs().count("prepare: the installation is prepared") == 1
    second.stop()


def test_where_somebody_else_prepares_it_says_what_to_start(servers: Servers) -> None:
    installation = Installation(servers)

    started = servers.network.strict("/start", environment=installation.serving())

    assert started.wait_for_exit() == 1
    assert started.logs().strip().splitlines()[-1] == (
        "CommandError: Preparing needs MIGRATION_DATABASE_URL; where somebody else prepares, start with /start-web"
    )
