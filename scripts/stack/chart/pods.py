"""The pods that manifests ask for, whatever kind they are in, and their containers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
_TEMPLATES = {
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
}
_SERVING = {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"}


@dataclass(frozen=True)
class Pod:
    kind: str
    name: str
    annotations: dict[str, str]
    spec: dict[str, Any]

    @property
    def is_serving(self) -> bool:
        """It is meant to run for as long as it is there."""
        return self.kind in _SERVING

    def containers(self) -> Iterator["Container"]:
        """Each with the place at which it stands, as Kubernetes names it."""
        for field in ("initContainers", "containers", "ephemeralContainers"):
            for index, container in enumerate(self.spec.get(field) or []):
                yield Container(f"spec.{field}[{index}]", field, container)

    def long_running(self) -> list["Container"]:
        """Those that should not end; an init container with `restartPolicy: Always` is a sidecar."""
        return [
            container
            for container in self.containers()
            if container.field == "containers" or container.spec.get("restartPolicy") == "Always"
        ]


@dataclass(frozen=True)
class Container:
    path: str
    field: str
    spec: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.spec.get("name", ""))


def pods_of(manifests: Iterable[Manifest]) -> Iterator[Pod]:
    for manifest in manifests:
        kind = manifest["kind"]
        template: dict[str, Any] | None = None
        if kind == "Pod":
            template = manifest
        elif kind in _TEMPLATES:
            template = manifest["spec"]["template"]
        elif kind == "CronJob":
            template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        if template is not None:
            annotations = (template.get("metadata") or {}).get("annotations") or {}
            yield Pod(kind, manifest["metadata"]["name"], annotations, template["spec"])


def images_of(manifests: Sequence[Manifest]) -> list[str]:
    """Every image that is pulled, once."""
    return sorted({c.spec["image"] for pod in pods_of(manifests) for c in pod.containers()})
