"""The chart with the real image: what its pods say is run as containers, on the suite's PostgreSQL and Redis."""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import yaml

from scripts.stack.chart import helm
from scripts.stack.chart.secrets import secret_values
from scripts.stack.environment import Secrets
from scripts.stack.infra import Servers
from scripts.stack.ports import free_port
from tests.deploy.chart import cluster as clusters
from tests.deploy.chart.api.nodes import Nodes
from tests.deploy.chart.api.store import Store
from tests.deploy.chart.cluster import Cluster
from tests.deploy.chart.containers import Containers

_VERSION = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())["appVersion"]
IMAGE = os.environ.get("FREEHOLD_TEST_IMAGE", f"freehold:{_VERSION}")


@dataclass(frozen=True)
class Installed:
    cluster: Cluster
    containers: Containers
    values: Path
    prefix: str


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    if not shutil.which("docker") or _docker("image", "inspect", IMAGE).returncode:
        if os.environ.get("FREEHOLD_REQUIRE_IMAGE"):
            pytest.fail(f"There is no image {IMAGE}")
        pytest.skip(f"there is no image {IMAGE}; scripts/image builds it")
    prefix, port = f"helm_{secrets.token_hex(3)}", free_port()
    store, files = Store(), tmp_path / "files"
    files.mkdir()
    containers = Containers(store, files, prefix.replace("_", "-"), port)
    servers = Servers(
        os.environ["ADMIN_DATABASE_URL"],
        os.environ["AUDIT_ADMIN_DATABASE_URL"],
        os.environ["REDIS_URL"].rpartition("/")[0] + "/8",
    )
    secret = secret_values(servers, Secrets(), prefix=prefix, pooler=None)
    values = tmp_path / "values.yaml"
    values.write_text(json.dumps(_values(port)))
    nodes = Nodes(store, containers.run, containers.start)
    try:
        with clusters.running(tmp_path, nodes, secret=secret) as cluster:
            yield Installed(cluster, containers, values, prefix)
    finally:
        containers.stop_all()
        _drop(servers, prefix)


def _values(port: int) -> dict[str, object]:
    repository, _, tag = IMAGE.rpartition(":")
    return {
        "image": {"repository": repository, "tag": tag},
        "publicHost": "freehold.example.com",
        "trustedProxies": ["127.0.0.0/8"],
        # One machine's network, so each port once.
        "monitoring": {"enabled": False},
        "web": {
            "service": {"port": port},
            "env": [{"name": "WEB_BIND", "value": f"127.0.0.1:{port}"}],
        },
        "secrets": {"optional": ["CELERY_BROKER_URL", "AUDIT_ANCHOR_KEY"]},
        "tenants": {
            "existingSecret": "tenant-secrets",
            "declared": [
                {
                    "slug": slug,
                    "name": slug.title(),
                    "domains": [f"{slug}.freehold.example.com"],
                    "admins": [f"admin@{slug}.example"],
                    "auth": {
                        "backend": "database",
                        "secrets": {"admin_password": {"file": f"/run/secrets/tenants/{slug}"}},
                    },
                }
                for slug in ("acme", "globex")
            ],
        },
    }


def test_from_nothing_to_a_tenant_that_works_and_back(installed: Installed) -> None:
    cluster, said = installed.cluster, installed.containers.said
    passwords = dict.fromkeys(("acme", "globex"), "correct horse battery staple")
    cluster.add_secret("tenant-secrets", passwords)
    patient = ("--values", installed.values, "--timeout", "60m")

    made = cluster.release("install", "minimal", *patient)

    assert made.returncode == 0, f"{made.stderr}\n{said}"
    assert set(installed.containers.running) == {
        f"freehold-{name}" for name in ("web", "worker", "provisioner", "beat", "relay")
    }

    tested = cluster.command("test", "freehold", "--timeout", "60m")
    lines = said["test/functional"].splitlines()
    assert tested.returncode == 0, lines
    assert [line.partition(" (")[0] for line in lines if line.startswith("ok")] == [
        "ok     make a tenant", "ok     sign in", "ok     write", "ok     run a task",
        "ok     read the audit entry", "ok     delete the tenant",
    ]  # fmt: skip

    upgraded = cluster.release("upgrade", "minimal", *patient, "--set", "settings.LOG_LEVEL=DEBUG")
    assert upgraded.returncode == 0, f"{upgraded.stderr}\n{said}"
    back = cluster.command("rollback", "freehold", "1", "--wait", "--timeout", "60m")
    assert back.returncode == 0, f"{back.stderr}\n{said}"
    assert "this release serves the shared schema and all 2 tenants" in said["rollback-guard/guard"]


def _drop(servers: Servers, prefix: str) -> None:
    """Databases and logins of this installation, on both servers."""
    for url in {servers.admin_url, servers.audit_admin_url}:
        with psycopg.connect(url, autocommit=True) as admin:
            databases = admin.execute(
                "SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{prefix}%"]
            ).fetchall()
            for (name,) in databases:
                admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            # Whoever granted something goes after those who have it.
            for pattern in (f"{prefix}_t\\_%", f"{prefix}_app", f"{prefix}%"):
                roles = admin.execute(
                    "SELECT rolname FROM pg_roles WHERE rolname LIKE %s"
                    " ORDER BY rolname = %s, rolname LIKE %s",
                    [pattern, f"{prefix}_owner", f"{prefix}_tenants"],
                ).fetchall()
                for (name,) in roles:
                    admin.execute(f'DROP ROLE "{name}"')


def _docker(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["docker", *arguments], capture_output=True, check=False)
