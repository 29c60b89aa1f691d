"""Objects by resource, namespace and name; every change is an event."""

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Object = dict[str, Any]

# By group and version: resource → kind.
RESOURCES: dict[str, dict[str, str]] = {
    "v1": {
        "configmaps": "ConfigMap", "secrets": "Secret", "services": "Service", "pods": "Pod",
        "serviceaccounts": "ServiceAccount", "persistentvolumeclaims": "PersistentVolumeClaim",
        "namespaces": "Namespace",
    },
    "apps/v1": {"deployments": "Deployment", "replicasets": "ReplicaSet"},
    "batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy", "ingresses": "Ingress"},
    "autoscaling/v2": {"horizontalpodautoscalers": "HorizontalPodAutoscaler"},
}  # fmt: skip
KINDS = {kind: name for group in RESOURCES.values() for name, kind in group.items()}


@dataclass(frozen=True)
class Event:
    version: int
    type: str
    resource: str
    object: Object


@dataclass
class Store:
    objects: dict[tuple[str, str], Object] = field(default_factory=dict)
    """By resource and name: there is one namespace."""
    events: list[Event] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def version(self) -> int:
        return self.events[-1].version if self.events else 1

    def get(self, resource: str, name: str) -> Object | None:
        return self.objects.get((resource, name))

    def list(self, resource: str, *, labels: dict[str, str] | None = None) -> list[Object]:
        with self.changed:
            found = [o for (kind, _), o in self.objects.items() if kind == resource]
        wanted = (labels or {}).items()
        return [o for o in found if wanted <= (o["metadata"].get("labels") or {}).items()]

    def put(self, resource: str, thing: Object) -> Object:
        with self.changed:
            name = thing["metadata"]["name"]
            before = self.objects.get((resource, name))
            stored = {**thing, "metadata": {**thing["metadata"]}}
            stored["metadata"].setdefault("uid", str(uuid.uuid4()))
            stored["metadata"].setdefault("namespace", "shop")
            stored["metadata"].setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
            same_spec = before is not None and before.get("spec") == stored.get("spec")
            generation = (before or {}).get("metadata", {}).get("generation", 0)
            stored["metadata"]["generation"] = generation if same_spec else generation + 1
            stored["metadata"]["resourceVersion"] = str(self.version + 1)
            self.objects[resource, name] = stored
            self._tell("MODIFIED" if before else "ADDED", resource, stored)
            return stored

    def delete(self, resource: str, name: str) -> Object | None:
        with self.changed:
            gone = self.objects.pop((resource, name), None)
            if gone is not None:
                self._tell("DELETED", resource, gone)
            return gone

    def _tell(self, what: str, resource: str, thing: Object) -> None:
        self.events.append(Event(self.version + 1, what, resource, thing))
        self.changed.notify_all()

    def created(self) -> Iterator[str]:
        """`Kind/name` in the order in which they were made."""
        for event in self.events:
            if event.type == "ADDED":
                yield f"{event.object['kind']}/{event.object['metadata']['name']}"
