"""What can be measured of a chart without a cluster."""

import difflib
from dataclasses import dataclass
from typing import Any

from scripts.stack.chart import pod_security
from scripts.stack.chart.pods import Manifest, pods_of


@dataclass(frozen=True)
class Figures:
    changed_lines: int
    """Between two renderings of the same values."""
    containers: int
    not_restricted: int
    """Containers that a namespace with `restricted` would refuse."""
    read_only: int
    """Containers whose root file system is read-only."""
    without_readiness: int
    """Long-running containers that lack a readiness probe; as others are counted."""
    without_probes: int
    """Long-running containers that lack a readiness or a liveness probe."""
    network_policies: int


def measure(first: str, second: str, manifests: list[Manifest]) -> Figures:
    pods = list(pods_of(manifests))
    containers = [(pod, container) for pod in pods for container in pod.containers()]
    serving = [c for pod in pods if pod.is_serving for c in pod.long_running()]
    return Figures(
        changed_lines=changed_lines(first, second),
        containers=len(containers),
        not_restricted=sum(len(pod_security.failing_containers(pod)) for pod in pods),
        read_only=sum(1 for _, c in containers if _is_read_only(c.spec)),
        without_readiness=sum(1 for c in serving if not c.spec.get("readinessProbe")),
        without_probes=sum(1 for c in serving if missing_probes(c.spec)),
        network_policies=sum(1 for m in manifests if m["kind"] == "NetworkPolicy"),
    )


def changed_lines(first: str, second: str) -> int:
    """Lines that one of them has and the other has not, at their places."""
    compared = difflib.unified_diff(first.splitlines(), second.splitlines(), lineterm="", n=0)
    headings = 2
    return sum(1 for line in [*compared][headings:] if line[0] in "+-")


def missing_probes(container: dict[str, Any]) -> list[str]:
    """Of what is meant to run on, readiness and liveness."""
    return [probe for probe in ("readinessProbe", "livenessProbe") if not container.get(probe)]


def _is_read_only(container: dict[str, Any]) -> bool:
    return (container.get("securityContext") or {}).get("readOnlyRootFilesystem") is True
