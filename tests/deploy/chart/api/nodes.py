"""What controllers and nodes would do: start what can be started, and say how it went.

A pod starts when all that it mounts is there, as a node would have it; so whatever is made in the wrong order waits for ever.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.deploy.chart.api.store import Object, Store

Run = Callable[[str, Object, Object], bool]
"""Component, container that is to end, and its pod: whether it ended well."""
Start = Callable[[Object], bool]
"""A Deployment, all of whose needs are there: whether it became ready."""
_PAUSE = 0.02


def succeed(component: str, container: Object, pod: Object) -> bool:
    return True


def start(deployment: Object) -> bool:
    return True


@dataclass
class Nodes:
    store: Store
    run: Run = succeed
    start: Start = start
    ran: list[str] = field(default_factory=list)
    """`component/container` of what has ended, in order."""
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def working(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            thread.join(timeout=60)

    def _work(self) -> None:
        while not self._stopping.wait(_PAUSE):
            for job in self.store.list("jobs"):
                pod = job["spec"]["template"]["spec"]
                # One at a time: what waits for another Job would be waited for in vain.
                if not job.get("status") and self._can_start(pod) and self._has_migrated(pod):
                    self._finish_job(job)
            for pod in self.store.list("pods"):
                if not pod.get("status") and self._can_start(pod["spec"]):
                    ended = self._run_all(pod["metadata"], pod["spec"])
                    self._say("pods", pod, {"phase": "Succeeded" if ended else "Failed"})
            for deployment in self.store.list("deployments"):
                self._roll_out(deployment)
            for claim in self.store.list("persistentvolumeclaims"):
                if not claim.get("status"):
                    self._say("persistentvolumeclaims", claim, {"phase": "Bound"})

    def _finish_job(self, job: Object) -> None:
        template = job["spec"]["template"]
        ended = self._run_all(template["metadata"], template["spec"])
        condition = {"type": "Complete" if ended else "Failed", "status": "True"}
        counted = {"succeeded": 1} if ended else {"failed": 1}
        self._say("jobs", job, {"conditions": [condition], **counted})

    def _run_all(self, metadata: Object, spec: Object) -> bool:
        component = metadata["labels"]["app.kubernetes.io/component"]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            self.ran.append(f"{component}/{container['name']}")
            if not self.run(component, container, spec):
                return False
        return True

    def _roll_out(self, deployment: Object) -> None:
        generation = deployment["metadata"]["generation"]
        if (deployment.get("status") or {}).get("observedGeneration") == generation:
            return
        spec = deployment["spec"]
        pod = spec["template"]["spec"]
        if not self._can_start(pod) or not self._has_migrated(pod) or not self.start(deployment):
            return
        replicas = spec.get("replicas", 1)
        metadata = deployment["metadata"]
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": metadata["name"],
                 "uid": metadata["uid"], "controller": True}  # fmt: skip
        replica_set = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": f"{metadata['name']}-{generation}",
                "labels": spec["template"]["metadata"]["labels"],
                "ownerReferences": [owner],
            },
            "spec": {k: spec[k] for k in ("selector", "template")} | {"replicas": replicas},
            "status": {"replicas": replicas, "readyReplicas": replicas, "observedGeneration": 1},
        }
        self.store.put("replicasets", replica_set)
        counts = dict.fromkeys(
            ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), replicas
        )
        self._say("deployments", deployment, {**counts, "observedGeneration": generation})

    def _has_migrated(self, pod: Object) -> bool:
        """What `fleet wait` of its init container waits for: the Job of the same image is done."""
        waiting = [c for c in pod.get("initContainers", []) if c["name"] == "wait-for-migrations"]
        if not waiting:
            return True
        return any(
            (job.get("status") or {}).get("succeeded")
            and job["spec"]["template"]["spec"]["containers"][0]["image"] == waiting[0]["image"]
            for job in self.store.list("jobs")
            if job["metadata"]["labels"]["app.kubernetes.io/component"] == "migrate"
        )

    def _can_start(self, pod: Object) -> bool:
        account = pod.get("serviceAccountName", "default")
        if account != "default" and self.store.get("serviceaccounts", account) is None:
            return False
        return all(self._is_there(volume) for volume in pod.get("volumes", []))

    def _is_there(self, volume: Object) -> bool:
        claim = volume.get("persistentVolumeClaim")
        if claim and not self.store.get("persistentvolumeclaims", claim["claimName"]):
            return False
        sources = [volume, *(volume.get("projected") or {}).get("sources", [])]
        return all(self._has_keys(source) for source in sources)

    def _has_keys(self, source: Object) -> bool:
        for kind, resource in (("secret", "secrets"), ("configMap", "configmaps")):
            named = source.get(kind)
            if not named:
                continue
            found = self.store.get(resource, named.get("name") or named["secretName"])
            if found is None:
                return False
            keys = {**(found.get("data") or {}), **(found.get("stringData") or {})}
            if any(item["key"] not in keys for item in named.get("items", [])):
                return False
        return True

    def _say(self, resource: str, thing: Object, status: dict[str, Any]) -> None:
        """Unless it was changed or taken away meanwhile."""
        with self.store.changed:
            current = self.store.get(resource, thing["metadata"]["name"])
            if current is not None and current.get("spec") == thing.get("spec"):
                self.store.put(resource, {**current, "status": status})
