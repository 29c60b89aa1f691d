"""The real helm installs, upgrades, rolls back and tests the chart against an API server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.chart import cluster as clusters
from tests.deploy.chart.api.nodes import Nodes
from tests.deploy.chart.api.store import Object, Store
from tests.deploy.chart.cluster import Cluster


class Script:
    """Decides how containers end."""

    def __init__(self) -> None:
        self.failing: set[str] = set()

    def __call__(self, component: str, container: Object, pod: Object) -> bool:
        return component not in self.failing


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def cluster(tmp_path: Path, script: Script) -> Iterator[Cluster]:
    with clusters.running(tmp_path, Nodes(Store(), script)) as running:
        yield running


def test_a_release_is_installed_upgraded_and_rolled_back(cluster: Cluster) -> None:
    installed = cluster.release("install")
    assert installed.returncode == 0, installed.stderr
    (first,) = [name for name in cluster.names("Job") if "-migrate-" in name]
    assert cluster.nodes.ran == ["migrate/install", "migrate/migrate"]

    upgraded = cluster.release("upgrade", "minimal", "--set", "image.tag=0.1.1")
    assert upgraded.returncode == 0, upgraded.stderr
    (second,) = [name for name in cluster.names("Job") if "-migrate-" in name]
    assert second != first
    assert set(cluster.images().values()) == {"freehold:0.1.1"}

    back = cluster.command("rollback", "freehold", "1", "--wait", "--timeout", "20s")
    assert back.returncode == 0, back.stderr
    assert set(cluster.images().values()) == {"freehold:0.1.0"}
    assert [name for name in cluster.names("Job") if "-migrate-" in name] == [first]
    # The guard is the older release's own code, and is asked before its Job is made again.
    assert cluster.nodes.ran[4:] == ["rollback-guard/guard", "migrate/install", "migrate/migrate"]
    assert cluster.history() == [(1, "superseded"), (2, "superseded"), (3, "deployed")]


def test_an_upgrade_that_changes_nothing_touches_nothing(cluster: Cluster) -> None:
    assert cluster.release("install").returncode == 0
    before = {key: o for key, o in cluster.store.objects.items() if key[0] != "secrets"}

    assert cluster.release("upgrade").returncode == 0

    after = {key: o for key, o in cluster.store.objects.items() if key[0] != "secrets"}
    assert {key: o.get("spec") for key, o in after.items()} == {
        key: o.get("spec") for key, o in before.items()
    }
    assert cluster.nodes.ran == ["migrate/install", "migrate/migrate"]


def test_a_rollback_is_refused_where_the_older_release_cannot_serve_every_tenant(
    cluster: Cluster, script: Script
) -> None:
    assert cluster.release("install").returncode == 0
    assert cluster.release("upgrade", "minimal", "--set", "image.tag=0.1.1").returncode == 0
    script.failing = {"rollback-guard"}

    back = cluster.command("rollback", "freehold", "1", "--wait", "--timeout", "20s")

    assert back.returncode != 0
    assert "job freehold-rollback-guard failed" in back.stderr
    assert set(cluster.images().values()) == {"freehold:0.1.1"}
    assert cluster.nodes.ran[-1] == "rollback-guard/guard"


def test_a_migration_that_fails_leaves_the_release_before_at_work(
    cluster: Cluster, script: Script
) -> None:
    assert cluster.release("install").returncode == 0
    script.failing = {"migrate"}

    upgraded = cluster.release("upgrade", "minimal", "--set", "image.tag=0.1.1", "--timeout", "3s")

    assert upgraded.returncode != 0
    # Its pods wait: no ReplicaSet of the new release has a ready pod.
    ready = {
        image
        for replica_set in cluster.store.list("replicasets")
        for image in [replica_set["spec"]["template"]["spec"]["containers"][0]["image"]]
    }
    assert ready == {"freehold:0.1.0"}


def test_helm_test_passes_and_fails_with_its_pod(cluster: Cluster, script: Script) -> None:
    assert cluster.release("install").returncode == 0

    passed = cluster.command("test", "freehold", "--timeout", "20s")
    script.failing = {"test"}
    failed = cluster.command("test", "freehold", "--timeout", "20s")

    assert (passed.returncode, failed.returncode) == (0, 1), passed.stderr + failed.stderr
    assert "Phase:          Succeeded" in passed.stdout
    assert cluster.nodes.ran[-2:] == ["test/functional"] * 2


def test_what_pods_need_is_there_before_them(cluster: Cluster) -> None:
    cluster.store.delete("secrets", "freehold-secrets")  # the chart makes it
    cluster.add_secret("tenant-secrets", {"acme-admin": "x"})
    created = cluster.release("install", "trial", "--set-json", f"tenants={json.dumps(TENANTS)}")
    assert created.returncode == 0, created.stderr

    order = [name.split("/")[0] for name in cluster.store.created() if "helm.release" not in name]
    for needed in ("NetworkPolicy", "ServiceAccount", "Secret", "ConfigMap"):
        for user in ("Deployment", "Job"):
            assert order.index(needed) < order.index(user), (needed, user)
    assert cluster.nodes.ran == [
        "migrate/install", "migrate/migrate", "tenants/wait-for-migrations", "tenants/apply",
    ]  # fmt: skip


TENANTS = {
    "existingSecret": "tenant-secrets",
    "declared": [
        {"slug": "acme", "name": "A", "domains": ["a.example"], "admins": ["a@a.example"]}
    ],
}


def test_hooks_come_before_everything_and_one_that_fails_lets_nothing_be_changed(
    cluster: Cluster, script: Script
) -> None:
    script.failing = {"migrate"}
    failed = cluster.release("install", "hooks")
    assert failed.returncode != 0
    assert [
        k for k in cluster.store.created() if k.split("/")[0] in ("Deployment", "Service")
    ] == []
    assert cluster.command("uninstall", "freehold").returncode == 0

    script.failing = set()
    installed = cluster.release("install", "hooks")

    assert installed.returncode == 0, installed.stderr
    names = [n for n in cluster.store.created() if "helm.release" not in n]
    last_migration = max(i for i, n in enumerate(names) if n.startswith("Job/"))
    first_deployment = next(i for i, n in enumerate(names) if n.startswith("Deployment/"))
    assert last_migration < first_deployment


def test_without_its_secret_nothing_starts_and_helm_says_so(cluster: Cluster) -> None:
    cluster.store.delete("secrets", "freehold-secrets")

    installed = cluster.release("install", "minimal", "--timeout", "2s")

    assert installed.returncode != 0
    assert cluster.nodes.ran == []


@pytest.mark.parametrize(
    ("installed", "says"),
    [
        ("0.2.0", "0.2.0 is installed, which is newer than this release (0.1.0)"),
        ("0.0.9", "0.0.9 is installed, and this release upgrades from 0.1.0 on"),
    ],
)
def test_an_upgrade_from_where_there_is_no_way_is_refused(
    cluster: Cluster, installed: str, says: str
) -> None:
    assert cluster.release("install").returncode == 0
    info = cluster.get("ConfigMap", "freehold-chart-info")
    cluster.store.put("configmaps", {**info, "data": {**info["data"], "appVersion": installed}})
    before = cluster.images()

    upgraded = cluster.release("upgrade", "minimal", "--set", "image.tag=0.1.1")

    assert upgraded.returncode != 0
    assert says in upgraded.stderr
    assert cluster.images() == before
    allowed = ("--set", "image.tag=0.1.1", "--set", "guards.upgradePath=false")
    assert cluster.release("upgrade", "minimal", *allowed).returncode == 0


def test_uninstalled_it_leaves_what_holds_data(cluster: Cluster) -> None:
    on = ("--set", "files.enabled=true", "--set", "backup.enabled=true")
    assert cluster.release("install", "minimal", *on).returncode == 0

    assert cluster.command("uninstall", "freehold").returncode == 0

    assert cluster.names("PersistentVolumeClaim") == [
        "freehold-backups", "freehold-beat", "freehold-files",
    ]  # fmt: skip
    assert cluster.names("Deployment") == []
    assert cluster.names("Secret") == ["freehold-secrets"]
