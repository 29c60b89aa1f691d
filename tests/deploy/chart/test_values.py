"""What values are refused, and that everything which is wrong is said at once."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.stack.chart import helm
from tests.deploy.chart import rendering
from tests.deploy.chart.rendering import refusal

pytestmark = pytest.mark.quick_deploy


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"wrker": {}}, "(root): Additional property wrker is not allowed"),
        ({"web": {"replica": 3}}, "web: Additional property replica is not allowed"),
        (
            {"web": {"replicas": "3"}},
            "web.replicas: Invalid type. Expected: integer, given: string",
        ),
        ({"relay": {"replicas": 0}}, "relay.replicas: Must be greater than or equal to 1"),
        ({"image": {"digest": "sha256:abc"}}, "image.digest: Does not match pattern"),
        ({"publicHost": "https://a.example"}, "publicHost: Does not match pattern"),
        (
            {"settings": {"log-level": "INFO"}},
            'settings: Property name of "log-level" does not match',
        ),
        (
            {"secrets": {"optional": ["ADMIN"]}},
            "secrets.optional.0: secrets.optional.0 must be one of",
        ),
        (
            {
                "tenants": {
                    "declared": [{"slug": "Acme", "name": "A", "domains": [], "admins": ["a@b"]}]
                }
            },
            "tenants.declared.0.domains: Array must have at least 1 items",
        ),
        ({"web": {"resources": {"limit": {}}}}, "web.resources: Additional property limit"),
        ({"trustedProxies": ["all"]}, "trustedProxies.0: Does not match pattern"),
    ],
    ids=lambda value: value.split(":")[0] if isinstance(value, str) else "",
)
def test_the_schema_refuses(values: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert any(line.startswith(expected) for line in refusal(tmp_path, values)), expected


def test_all_that_the_schema_refuses_is_said_at_once(tmp_path: Path) -> None:
    values = {"wrker": {}, "web": {"replicas": "3"}, "beat": {"persistence": {"size": "big"}}}

    assert [line.split(":")[0] for line in sorted(refusal(tmp_path, values))] == [
        "(root)",
        "beat.persistence.size",
        "web.replicas",
    ]


def test_all_that_does_not_fit_together_is_said_at_once(tmp_path: Path) -> None:
    declared = {"slug": "acme", "name": "A", "domains": ["a.example"], "admins": ["a@a.example"]}
    values = {
        "publicHost": "",
        "secrets": {"existingSecret": ""},
        "settings": {"SECRET_KEY": "x", "EMAIL_URL_FILE": "/x", "FILES_ROOT": "/files"},
        "ingress": {"enabled": True},
        "gateway": {"enabled": True},
        "pgbouncer": {"enabled": True, "settings": {"pool_mode": "session"}},
        "worker": {"keda": {"enabled": True}, "autoscaling": {"minReplicas": 20}},
        "migrations": {"useHelmHooks": True},
        "externalSecrets": {"enabled": True},
        "cloudnativepg": {"audit": {"enabled": True}},
        "tenants": {"declared": [declared, declared]},
    }

    assert [line.split(": ")[0] for line in refusal(tmp_path, values)] == [
        "publicHost",
        "externalSecrets.storeRef.name",
        "externalSecrets.key",
        "settings.EMAIL_URL_FILE is a secret",
        "settings.FILES_ROOT is set by the chart",
        "settings.SECRET_KEY is a secret",
        "trustedProxies",
        "gateway.parentRefs",
        "pgbouncer.host",
        "pgbouncer.settings.pool_mode",
        "worker.keda.serverAddress",
        "worker.autoscaling",
        "migrations.useHelmHooks needs secrets.existingSecret",
        "cloudnativepg.audit.superuserSecret",
        "tenants.declared",
        "tenants.declared",
    ]


def test_secrets_come_from_one_place(tmp_path: Path) -> None:
    assert refusal(tmp_path, {"secrets": {"existingSecret": ""}}) == [
        "secrets: give secrets.existingSecret, secrets.values or externalSecrets"
        " (scripts/chart-secrets writes a Secret)"
    ]
    assert refusal(tmp_path, {"secrets": {"existingSecret": "a"}}, of="trial") == [
        "secrets: secrets.existingSecret, secrets.values are all given; keep one"
    ]
    given = yaml.safe_load(rendering.SETS["trial"].read_text())["secrets"]["values"]
    lacking = {name: value for name, value in given.items() if not name.startswith("R")}
    values = {"secrets": {"existingSecret": "", "values": lacking}}
    assert refusal(tmp_path, values) == [
        "secrets.values.REDIS_URL is missing",
        "secrets.values.RELAY_DATABASE_URL is missing",
    ]


def test_the_schema_needs_no_network_and_leaves_nothing_open() -> None:
    schema = json.loads((helm.CHART / "values.schema.json").read_text())

    references = [value for value in _all(schema, "$ref")]
    assert references != []
    assert all(reference.startswith("#/") for reference in references)
    # Each key of the values is known, and no object among them takes others, but those that hold names of the user's.
    open_objects = _open(
        schema, yaml.safe_load((helm.CHART / "values.yaml").read_text()), schema, ""
    )
    assert open_objects == {
        "cloudnativepg.application.backup", "cloudnativepg.application.resources",
        "cloudnativepg.audit.backup", "cloudnativepg.audit.resources",
        "global", "pod.affinity", "pod.containerSecurityContext", "pod.securityContext",
        "web.autoscaling.behavior", "worker.autoscaling.behavior",
    }  # fmt: skip


def _all(schema: Any, key: str) -> list[Any]:
    if isinstance(schema, dict):
        own = [schema[key]] if key in schema else []
        return own + [found for value in schema.values() for found in _all(value, key)]
    return (
        [found for value in schema for found in _all(value, key)]
        if isinstance(schema, list)
        else []
    )


def _open(part: Any, values: Any, schema: Any, path: str) -> set[str]:
    if "$ref" in part:
        part = schema["definitions"][part["$ref"].rsplit("/", 1)[1]]
    if not isinstance(values, dict):
        return set()
    if "properties" not in part:
        return set() if "additionalProperties" in part else {path}
    assert part["additionalProperties"] is False, path
    assert set(values) <= set(part["properties"]), path
    return {
        found
        for name, value in values.items()
        for found in _open(part["properties"][name], value, schema, f"{path}.{name}".lstrip("."))
    }


def test_a_chart_that_has_this_one_as_a_subchart_can_use_it(tmp_path: Path) -> None:
    chart = tmp_path / "umbrella"
    (chart / "charts").mkdir(parents=True)
    (chart / "charts" / "freehold").symlink_to(helm.CHART)
    (chart / "Chart.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v2",
                "name": "umbrella",
                "version": "1.0.0",
                "dependencies": [
                    {"name": "freehold", "version": "0.1.0", "condition": "freehold.enabled"}
                ],
            }
        )
    )
    values = tmp_path / "values.yaml"
    own = yaml.safe_load(rendering.SETS["minimal"].read_text())
    values.write_text(
        yaml.safe_dump(
            {
                "global": {"imageRegistry": "mirror.example.com", "storageClass": "of-others"},
                "freehold": {"enabled": True, **own},
            }
        )
    )

    rendered = helm.parse(helm.render([values], chart=chart))

    assert len(rendered) == len(rendering.manifests("minimal"))
    assert "image: mirror.example.com/freehold:0.1.0" in helm.render([values], chart=chart)
