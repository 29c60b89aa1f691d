"""What each process is given, may reach and is scaled by."""

from typing import Any

import pytest
import yaml

from scripts.stack.chart import helm
from tests.deploy.chart import rendering
from tests.deploy.chart.rendering import of_kind, pods, secret_files, variables

pytestmark = pytest.mark.quick_deploy

SERVING = {
    "DATABASE_URL", "AUDIT_DATABASE_URL", "AUDIT_READER_DATABASE_URL", "REDIS_URL",
    "SECRET_KEY", "JWT_SIGNING_KEYS", "AUDIT_SEALING_KEYS", "AUTH_ENCRYPTION_KEYS",
}  # fmt: skip
RELAYING = SERVING | {"RELAY_DATABASE_URL", "AUDIT_AUDITOR_DATABASE_URL"}
PROVISIONING = RELAYING | {"MIGRATION_DATABASE_URL"}
MIGRATING = PROVISIONING | {"AUDIT_MIGRATION_DATABASE_URL", "AUDIT_RETENTION_DATABASE_URL"}
ADMINISTRATING = MIGRATING | {"ADMIN_DATABASE_URL", "AUDIT_ADMIN_DATABASE_URL"}


def _migrate(name: str) -> Any:
    return next(pod for key, pod in pods(name).items() if key.startswith("migrate-"))


def test_each_process_has_the_secrets_that_its_work_needs_and_no_other() -> None:
    found = pods("minimal")
    given = {
        (name, container.name): secret_files(found[name], container.name)
        for name in ("web", "worker", "provisioner", "beat", "relay", "rollback-guard", "test")
        for container in found[name].containers()
    }
    migrate = _migrate("minimal")

    assert given == {
        ("web", "wait-for-migrations"): SERVING,
        ("web", "web"): SERVING,
        ("worker", "wait-for-migrations"): SERVING,
        ("worker", "worker"): SERVING,
        ("beat", "wait-for-migrations"): SERVING,
        ("beat", "beat"): SERVING,
        ("relay", "wait-for-migrations"): RELAYING,
        ("relay", "relay"): RELAYING,
        ("provisioner", "wait-for-migrations"): PROVISIONING,
        ("provisioner", "provisioner"): PROVISIONING,
        ("rollback-guard", "guard"): MIGRATING,
        ("test", "functional"): PROVISIONING,
    }
    assert secret_files(migrate, "install") == ADMINISTRATING
    assert secret_files(migrate, "migrate") == MIGRATING


@pytest.mark.parametrize("name", rendering.SETS)
def test_secrets_are_files_and_in_no_environment(name: str) -> None:
    for key, pod in pods(name).items():
        for container in pod.containers():
            if container.name in ("ambassador", "pgbouncer"):
                continue
            given = variables(pod, container.name)
            files = secret_files(pod, container.name)
            assert {n: given.get(f"{n}_FILE") for n in files} == {
                n: f"/run/secrets/freehold/{n}" for n in files
            }, key
            assert files.isdisjoint(given), key
            assert {n for n in given if n.endswith("_FILE")} == {f"{n}_FILE" for n in files}


def test_a_variable_can_lie_in_another_secret_and_optional_ones_are_named() -> None:
    migrate = _migrate("full")
    (volume,) = [v for v in migrate.spec["volumes"] if v["name"] == "administrating"]
    names = [source["secret"]["name"] for source in volume["projected"]["sources"]]

    assert names == ["freehold-secrets", "postgres-superuser"]
    assert volume["projected"]["sources"][1]["secret"]["items"] == [
        {"key": "uri", "path": "ADMIN_DATABASE_URL"}
    ]
    web = secret_files(pods("full")["web"], "web")
    assert web == SERVING | {"EMAIL_URL", "SECRET_KEY_FALLBACKS", "METRICS_TOKEN"}
    provisioner = secret_files(pods("full")["provisioner"], "provisioner")
    assert {"AUDIT_ANCHOR_KEY", "ARCHIVE_PASSPHRASE"} <= provisioner


def test_only_what_serves_goes_through_the_pooler_and_is_told_so() -> None:
    found = pods("pgbouncer")
    keys = {}
    for name in ("web", "worker", "beat", "flower", "relay", "provisioner"):
        (volume,) = [v for v in found[name].spec["volumes"] if v["name"] == "secrets"]
        items = volume["projected"]["sources"][0]["secret"]["items"]
        (key,) = [item["key"] for item in items if item["path"] == "DATABASE_URL"]
        keys[name] = (key, variables(found[name], name).get("DATABASE_POOL_MODE"))

    pooled, direct = ("POOLED_DATABASE_URL", "transaction"), ("DATABASE_URL", None)
    assert keys == {
        "web": pooled, "worker": pooled, "beat": pooled, "flower": pooled,
        "relay": direct, "provisioner": direct,
    }  # fmt: skip
    ini = of_kind("pgbouncer", "ConfigMap")["freehold-pgbouncer"]["data"]["pgbouncer.ini"]
    assert "\npool_mode = transaction\n" in ini
    assert "\nfreehold = host=postgres.data.svc port=5432 dbname=freehold\n" in ini


def test_workers_are_scaled_by_the_queue_and_web_by_its_work() -> None:
    found = of_kind("pgbouncer", "HorizontalPodAutoscaler")
    deployments = of_kind("pgbouncer", "Deployment")

    (metric,) = found["freehold-worker"]["spec"]["metrics"]
    assert metric["external"] == {
        "metric": {
            "name": "freehold_queue_depth",
            "selector": {"matchLabels": {"queue": "celery"}},
        },
        "target": {"type": "AverageValue", "averageValue": "20"},
    }
    assert found["freehold-web"]["spec"]["metrics"][0]["resource"]["name"] == "cpu"
    assert [n for n, d in deployments.items() if "replicas" not in d["spec"]] == [
        "freehold-web",
        "freehold-worker",
    ]
    (trigger,) = of_kind("full", "ScaledObject")["freehold-worker"]["spec"]["triggers"]
    assert trigger["metadata"]["query"] == (
        'max(freehold_queue_depth{queue="celery",namespace="freehold"})'
    )
    assert of_kind("full", "HorizontalPodAutoscaler") == {}


def test_a_disruption_budget_is_there_only_where_a_pod_can_be_spared() -> None:
    assert set(of_kind("minimal", "PodDisruptionBudget")) == {
        "freehold-web", "freehold-worker", "freehold-relay",
    }  # fmt: skip
    assert set(of_kind("hooks", "PodDisruptionBudget")) == {"freehold-web", "freehold-worker"}
    assert of_kind("trial", "PodDisruptionBudget") == {}
    spec = of_kind("minimal", "PodDisruptionBudget")["freehold-web"]["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_beat_is_one_and_never_two() -> None:
    spec = of_kind("full", "Deployment")["freehold-beat"]["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_labels_of_the_user_do_not_take_the_place_of_ours() -> None:
    for deployment in of_kind("full", "Deployment").values():
        selector = deployment["spec"]["selector"]["matchLabels"]
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert selector["app.kubernetes.io/name"] == "freehold"
        assert selector.items() <= labels.items()
        assert set(selector) == {
            f"app.kubernetes.io/{name}" for name in ("name", "instance", "component")
        }
        assert labels["team"] == "platform"


def _policy(name: str, policy: str) -> dict[str, Any]:
    spec: dict[str, Any] = of_kind(name, "NetworkPolicy")[policy]["spec"]
    return spec


def test_nothing_may_be_reached_that_is_not_listed() -> None:
    everything = _policy("minimal", "freehold")
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything
    assert [[p["port"] for p in rule["ports"]] for rule in everything["egress"]] == [[53, 53]]
    # Each rule says at which ports: none is open to all of them.
    rules = [
        rule
        for name in rendering.SETS
        for policy in of_kind(name, "NetworkPolicy").values()
        for rule in [*policy["spec"].get("egress", []), *policy["spec"].get("ingress", [])]
    ]
    assert len(rules) > 20
    assert [rule for rule in rules if not rule.get("ports")] == []


def test_every_pod_of_the_product_is_under_the_policies() -> None:
    product = _policy("full", "freehold-product")["podSelector"]
    components = set(product["matchExpressions"][0]["values"])
    labelled = {
        manifest["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
        for kind in ("Deployment", "Job")
        for manifest in of_kind("full", kind).values()
    }

    assert labelled - components == {"pgbouncer"}


def test_who_reaches_whom_is_what_the_values_say() -> None:
    web = _policy("full", "freehold-web")["ingress"][0]["from"]
    assert web[0] == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}
    }
    assert web[1]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "test"
    product = _policy("full", "freehold-product")
    assert product["egress"][0]["to"] == [{"ipBlock": {"cidr": "10.20.0.0/24"}}]
    outward = _policy("full", "freehold-outward")["podSelector"]["matchExpressions"][0]["values"]
    assert "beat" not in outward
    pooled = _policy("full", "freehold-pooled")["podSelector"]["matchExpressions"][0]["values"]
    assert pooled == ["web", "worker", "beat", "flower"]
    assert of_kind("hooks", "NetworkPolicy") == {}


def test_flower_can_be_reached_by_whom_web_can() -> None:
    assert _policy("full", "freehold-flower")["ingress"][0]["ports"] == [
        {"protocol": "TCP", "port": 5555}
    ]


def test_a_migration_is_a_job_of_its_own_name_for_each_release_and_setting() -> None:
    def name(*arguments: str) -> str:
        return next(n for n in of_kind("minimal", "Job", *arguments) if "-migrate-" in n)

    assert name() == name("--set", "web.replicas=5")
    names = {
        name(),
        name("--set", "image.tag=0.2.0"),
        name("--set", "migrations.run=again"),
        name("--set", "secrets.revision=2"),
        name("--set", "settings.LOG_LEVEL=DEBUG"),
    }
    assert len(names) == 5
    assert "helm.sh/hook" not in of_kind("minimal", "Job")[name()]["metadata"]["annotations"]


def test_as_a_hook_it_needs_nothing_of_the_release() -> None:
    (job,) = [j for n, j in of_kind("hooks", "Job").items() if "-migrate-" in n]

    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = job["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "default"
    assert {source["secret"]["name"] for v in pod["volumes"] if "projected" in v
            for source in v["projected"]["sources"]} == {"freehold-secrets"}  # fmt: skip
    assert secret_files(_migrate("hooks"), "install") == MIGRATING


def test_tenants_are_applied_as_they_are_declared() -> None:
    file = of_kind("full", "ConfigMap")["freehold-tenants"]["data"]["tenants.yaml"]
    declared = yaml.safe_load(rendering.SETS["full"].read_text())["tenants"]["declared"]

    assert yaml.safe_load(file) == {"apiVersion": "freehold/v1", "tenants": declared}
    pod = next(pod for key, pod in pods("full").items() if key.startswith("tenants-"))
    assert {"name": "of-tenants", "mountPath": "/run/secrets/tenants", "readOnly": True} in (
        pod.spec["containers"][0]["volumeMounts"]
    )


def test_a_changed_secret_replaces_pods() -> None:
    def annotations(name: str, *arguments: str) -> dict[str, str]:
        return pods(name, *arguments)["web"].annotations

    changed = annotations("trial", "--set", "secrets.values.REDIS_URL=redis://other:6379/0")
    assert annotations("trial")["checksum/secrets"] != changed["checksum/secrets"]
    assert annotations("minimal", "--set", "secrets.revision=2") == {
        "freehold/secrets-revision": "2"
    }


def test_alerts_name_their_page_and_can_be_left_out() -> None:
    (group,) = of_kind("full", "PrometheusRule")["freehold"]["spec"]["groups"]
    shipped = yaml.safe_load((helm.CHART / "files/monitoring/alerts.yaml").read_text())
    names = [rule["alert"] for rule in shipped["groups"][0]["rules"]]

    assert [rule["alert"] for rule in group["rules"]] == [
        name for name in names if name != "FreeholdSparesGone"
    ]
    assert group["rules"][0]["annotations"] == {
        "summary": "No process of the product shows figures.",
        "runbook_url": "docs/runbook.md#freeholdaway",
    }
    assert [r["expr"] for r in group["rules"]] == [
        r["expr"] for r in shipped["groups"][0]["rules"] if r["alert"] != "FreeholdSparesGone"
    ]


def test_the_version_is_the_products() -> None:
    import tomllib

    project = tomllib.loads((helm.CHART.parents[1] / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == project["version"]
