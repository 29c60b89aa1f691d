"""Containers on a network of their own, started as an orchestrator with strict rules starts them."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from scripts.stack.paths import ROOT

# A pod under the restricted standard, and a root filesystem that nobody can write to.
STRICT = (
    *("--read-only", "--tmpfs", "/tmp", "--user", "10001:10001"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)
IMAGE = "freehold:tested"


def docker(*arguments: str, check: bool = True, timeout: float = 120) -> str:
    """Its output."""
    done = subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


def build() -> None:
    """The image of this tree; what has not changed comes from the cache."""
    done = subprocess.run(
        [ROOT / "scripts/image", "--network", "host"],
        env={"IMAGE": IMAGE, "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"},
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]


@dataclass(frozen=True)
class Container:
    name: str

    def logs(self) -> str:
        return subprocess.run(
            ["docker", "logs", self.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout

    def execute(self, *command: str, check: bool = True, timeout: float = 120) -> str:
        return docker("exec", self.name, *command, check=check, timeout=timeout)

    def exit_code_of(self, *command: str) -> int:
        return subprocess.run(
            ["docker", "exec", self.name, *command], capture_output=True, timeout=60
        ).returncode

    def inspect(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(docker("inspect", self.name))[0]
        return found

    @property
    def address(self) -> str:
        networks = self.inspect()["NetworkSettings"]["Networks"]
        return str(next(iter(networks.values()))["IPAddress"])

    @property
    def process(self) -> int:
        """On this machine."""
        return int(self.inspect()["State"]["Pid"])

    def is_healthy(self) -> bool:
        state = self.inspect()["State"]
        assert state["Running"], self.logs()[-3000:]
        return bool(state["Health"]["Status"] == "healthy")

    def wait_for_exit(self, *, timeout: float = 120) -> int:
        return int(docker("wait", self.name, timeout=timeout))

    def stop(self, *, seconds: int = 35) -> float:
        """How long it took."""
        began = time.monotonic()
        docker("stop", "--time", str(seconds), self.name, timeout=seconds + 30)
        return time.monotonic() - began


@dataclass
class Network:
    name: str
    started: list[Container] = field(default_factory=list)

    @property
    def subnet(self) -> str:
        found = json.loads(docker("network", "inspect", self.name))[0]
        return str(found["IPAM"]["Config"][0]["Subnet"])

    def start(
        self,
        image: str,
        *command: str,
        alias: str = "",
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> Container:
        container = Container(f"{self.name}-{len(self.started)}")
        given = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        aliases = ["--network-alias", alias] if alias else []
        # Before it is there: a start that fails half way leaves something to remove, too.
        self.started.append(container)
        docker(
            *("run", "--detach", "--name", container.name, "--network", self.name),
            *aliases,
            *given,
            *options,
            image,
            *command,
        )
        return container

    def strict(
        self,
        *command: str,
        environment: Mapping[str, str] | None = None,
        options: tuple[str, ...] = (),
    ) -> Container:
        """The product's image, as a cluster under strict rules starts it."""
        return self.start(IMAGE, *command, environment=environment, options=(*STRICT, *options))


@contextmanager
def network() -> Iterator[Network]:
    made = Network(f"freehold-image-{uuid4().hex[:8]}")
    docker("network", "create", made.name)
    try:
        yield made
    finally:
        for container in made.started:
            docker("rm", "--force", "--volumes", container.name, check=False)
        docker("network", "rm", made.name)
