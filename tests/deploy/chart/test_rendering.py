"""What the chart renders: the same each time, valid, restricted, with probes. `scripts/check chart` looks at the same."""

import os
from pathlib import Path

import pytest

from scripts.stack.chart import figures, helm, linting, pod_security
from scripts.stack.chart.pods import images_of, pods_of
from tests.deploy.chart import rendering

pytestmark = pytest.mark.quick_deploy
GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", rendering.SETS)
def test_rendered_twice_nothing_is_another(name: str) -> None:
    again = helm.render([rendering.SETS[name]])

    assert figures.changed_lines(rendering.text(name), again) == 0


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    service = rendering.of_kind("minimal", "Service")["freehold-web"]
    service["spec"]["sesionAffinity"] = "None"

    assert list(linting.invalid([service], version="1.32")) != []


@pytest.mark.parametrize("name", rendering.SETS)
def test_every_pod_is_restricted_with_a_read_only_root(name: str) -> None:
    pods = list(pods_of(rendering.manifests(name)))

    assert len(pods) >= 6
    assert {pod.name: pod_security.violations(pod) for pod in pods} == {
        pod.name: [] for pod in pods
    }
    writable = [
        f"{pod.name}/{container.name}"
        for pod in pods
        for container in pod.containers()
        if not container.spec["securityContext"].get("readOnlyRootFilesystem")
    ]
    assert writable == (["freehold-web/ambassador"] if name == "full" else [])
    assert all(pod.spec["automountServiceAccountToken"] is False for pod in pods)


@pytest.mark.parametrize("name", rendering.SETS)
def test_whatever_runs_on_has_all_three_probes(name: str) -> None:
    lacking = {
        f"{pod.name}/{container.name}": [
            probe
            for probe in ("startupProbe", "readinessProbe", "livenessProbe")
            if probe not in container.spec
        ]
        for pod in pods_of(rendering.manifests(name))
        if pod.is_serving
        for container in pod.long_running()
        if container.name != "ambassador"
    }

    assert len(lacking) >= 5
    assert set(map(tuple, lacking.values())) == {()}


@pytest.mark.parametrize("name", ["minimal", "full"])
def test_what_is_rendered_is_what_was_reviewed(name: str) -> None:
    """`FREEHOLD_WRITE_GOLDEN=1` writes them anew; the difference is to be read."""
    file = GOLDEN / f"{name}.yaml"
    if os.environ.get("FREEHOLD_WRITE_GOLDEN"):
        file.write_text(rendering.text(name))

    assert rendering.text(name) == file.read_text()


def test_every_image_comes_from_the_registry_that_is_named() -> None:
    images = images_of(rendering.manifests("full"))

    assert images == [
        "registry.example.com/ambassador:1",
        "registry.example.com/mirror/freehold@sha256:6a1e2f0c5c0b5ac2b9c9a1f4f1f0c3b1d2e3f4a5b6c7d8e9f0a1b2c3d4e5f607",
        "registry.example.com/mirror/pgbouncer:1.24.1",
    ]
    assert images_of(rendering.manifests("minimal")) == ["freehold:0.1.0"]
