"""Pods of the chart as containers of Docker's: with the user, the rights and the files that the manifest says.

They share the machine's network, because that is where the suite's servers are.
"""

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.chart.api.store import Object, Store

_READY_SECONDS = 900.0


@dataclass
class Containers:
    store: Store
    directory: Path
    prefix: str
    """All names begin with it."""
    port: int
    """Where web listens, in the place of its own pod's 5000."""
    running: dict[str, str] = field(default_factory=dict)
    """Container by Deployment."""
    said: dict[str, str] = field(default_factory=dict)
    """The output of what has ended, by `component/container`."""

    def run(self, component: str, container: Object, pod: Object) -> bool:
        """One that is to end."""
        name = f"{self.prefix}-{component}-{container['name']}"
        ended = self._docker("run", "--rm", "--name", name, *self._options(container, pod))
        self.said[f"{component}/{container['name']}"] = ended.stdout + ended.stderr
        return ended.returncode == 0

    def start(self, deployment: Object) -> bool:
        """Its init containers, then the process; True when its probes say that it is ready."""
        pod = deployment["spec"]["template"]["spec"]
        name = deployment["metadata"]["name"]
        for container in pod["initContainers"]:
            if not self.run(name, container, pod):
                return False
        self.stop(name)
        (container,) = pod["containers"]
        own = f"{self.prefix}-{name}"
        self._docker("run", "-d", "--name", own, *self._options(container, pod), check=True)
        self.running[name] = own
        return all(
            self._becomes(own, container[probe])
            for probe in ("startupProbe", "readinessProbe", "livenessProbe")
        )

    def stop(self, name: str) -> None:
        if own := self.running.pop(name, None):
            self.said[name] = self._docker("logs", own).stderr[-4000:]
            self._docker("rm", "--force", own)

    def stop_all(self) -> None:
        for name in list(self.running):
            self.stop(name)

    def _becomes(self, name: str, probe: Object) -> bool:
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self._passes(name, probe):
                return True
            time.sleep(0.5)
        return False

    def _passes(self, name: str, probe: Object) -> bool:
        if "exec" in probe:
            asked = self._docker("exec", name, *probe["exec"]["command"])
            return asked.returncode == 0
        asks = probe["httpGet"]
        headers = {header["name"]: header["value"] for header in asks["httpHeaders"]}
        url = f"http://127.0.0.1:{self.port}{asks['path']}"
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=headers), timeout=5
            ) as answer:
                return answer.url == url and answer.status == 200
        except OSError:
            return False

    def _options(self, container: Object, pod: Object) -> Iterator[str]:
        of_pod, own = pod["securityContext"], container["securityContext"]
        yield from ("--network", "host", "--add-host", "freehold-web:127.0.0.1")
        yield from ("--user", f"{of_pod['runAsUser']}:{of_pod['runAsGroup']}")
        yield from ("--group-add", str(of_pod["fsGroup"]))
        yield from (f"--cap-drop={name}" for name in own["capabilities"]["drop"])
        if own["readOnlyRootFilesystem"]:
            yield "--read-only"
        if not own["allowPrivilegeEscalation"]:
            yield from ("--security-opt", "no-new-privileges")
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for mount in container["volumeMounts"]:
            yield from self._mounted(mount["mountPath"], volumes[mount["name"]])
        for entry in container["env"]:
            yield from ("--env", f"{entry['name']}={entry['value']}")
        yield from ("--workdir", container["workingDir"], container["image"], *container["args"])

    def _mounted(self, path: str, volume: Object) -> Iterator[str]:
        files = dict(self._files_of(volume))
        if not files:  # what is kept in a cluster is in memory here
            yield from ("--tmpfs", f"{path}:mode=1777")
            return
        directory = self.directory / f"{len(list(self.directory.iterdir()))}"
        directory.mkdir(mode=0o755)
        for name, content in files.items():
            file = directory / name
            file.write_bytes(content)
            shutil.chown(file, 0, 10001)
            file.chmod(0o440)
        yield from ("--volume", f"{directory}:{path}:ro")

    def _files_of(self, volume: Object) -> Iterator[tuple[str, bytes]]:
        for source in [volume, *(volume.get("projected") or {}).get("sources", [])]:
            if named := source.get("secret"):
                found = self.store.get("secrets", named.get("name") or named["secretName"]) or {}
                data = {key: b64decode(value) for key, value in found["data"].items()}
                items = named.get("items") or [{"key": key, "path": key} for key in data]
                yield from ((item["path"], data[item["key"]]) for item in items)
            elif named := source.get("configMap"):
                found = self.store.get("configmaps", named["name"]) or {}
                yield from ((key, text.encode()) for key, text in found["data"].items())

    def _docker(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        command: list[Any] = ["docker", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=check, timeout=3600)
