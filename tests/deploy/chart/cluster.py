"""Where releases are made: an API in memory, with nodes that run what they are told to."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scripts.stack.chart import helm
from tests.deploy.chart import rendering
from tests.deploy.chart.api.nodes import Nodes
from tests.deploy.chart.api.server import serving
from tests.deploy.chart.api.store import KINDS, Object, Store

NAMESPACE = "shop"


@dataclass(frozen=True)
class Cluster:
    store: Store
    nodes: Nodes
    kubeconfig: Path

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        own = {"KUBECONFIG": str(self.kubeconfig)}
        cache = str(self.kubeconfig.parent)
        homes = {f"HELM_{name}_HOME": cache for name in ("CACHE", "CONFIG", "DATA")}
        # Nobody is spared by asking slowly.
        fast = ("--qps", "1000", "--burst-limit", "1000")
        return helm.run(
            *arguments, *fast, "--namespace", NAMESPACE, env=own | homes | {"HOME": cache}
        )

    def release(
        self, verb: str, values: str = "minimal", *arguments: str | Path, chart: Path = helm.CHART
    ) -> subprocess.CompletedProcess[str]:
        """`helm install|upgrade`; waits until all is ready."""
        return self.command(
            verb, "freehold", chart, "--values", rendering.SETS[values],
            *("--wait", "--wait-for-jobs", "--timeout", "20s"), *arguments,
        )  # fmt: skip

    def history(self) -> list[tuple[int, str]]:
        listed = json.loads(self.command("history", "freehold", "-o", "json").stdout)
        return [(entry["revision"], entry["status"]) for entry in listed]

    def get(self, kind: str, name: str) -> Object:
        found = self.store.get(KINDS[kind], name)
        assert found is not None, f"there is no {kind} {name}"
        return found

    def names(self, kind: str) -> list[str]:
        return sorted(thing["metadata"]["name"] for thing in self.store.list(KINDS[kind]))

    def images(self) -> dict[str, str]:
        """Of what runs, by Deployment."""
        return {
            thing["metadata"]["name"]: thing["spec"]["template"]["spec"]["containers"][0]["image"]
            for thing in self.store.list("deployments")
        }

    def add_secret(self, name: str, values: Mapping[str, str]) -> None:
        data = {key: b64encode(value.encode()).decode() for key, value in values.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        self.store.put("secrets", {**secret, "data": data})


ALL_VARIABLES = [
    "DATABASE_URL", "MIGRATION_DATABASE_URL", "RELAY_DATABASE_URL", "ADMIN_DATABASE_URL",
    "AUDIT_DATABASE_URL", "AUDIT_READER_DATABASE_URL", "AUDIT_AUDITOR_DATABASE_URL",
    "AUDIT_RETENTION_DATABASE_URL", "AUDIT_MIGRATION_DATABASE_URL", "AUDIT_ADMIN_DATABASE_URL",
    "REDIS_URL", "SECRET_KEY", "JWT_SIGNING_KEYS", "AUDIT_SEALING_KEYS", "AUTH_ENCRYPTION_KEYS",
]  # fmt: skip


@contextmanager
def running(
    directory: Path, nodes: Nodes, *, secret: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """An empty cluster with the Secret that the values name."""
    store = nodes.store
    with serving(store) as url, nodes.working():
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(_kubeconfig(url)))
        cluster = Cluster(store, nodes, kubeconfig)
        cluster.add_secret("freehold-secrets", secret or dict.fromkeys(ALL_VARIABLES, "x"))
        yield cluster


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "memory", "cluster": {"server": url}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "memory", "context": {"cluster": "memory", "user": "nobody"}}],
        "current-context": "memory",
    }
