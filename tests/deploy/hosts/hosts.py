"""Bare Debian hosts in containers, and ansible-playbook against them.

Ansible is that of `ANSIBLE_BIN`, a directory, else of PATH; the image is made by the machine's own
recipe (docs/ansible.md). The hosts' network leads nowhere: what the bundle lacks cannot be had.
"""

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[3]
_IMAGE = "freehold-test/systemd:bookworm"
PUBLIC_HOST = "freehold.example"
# Redis of Debian asks for a user namespace, which a container that is not privileged cannot have.
_BOOTED = """
for _ in $(seq 300); do
    case $(systemctl is-system-running 2>/dev/null) in running | degraded) exit 0 ;; esac
    sleep 0.2
done
echo "systemd has not come up" >&2
exit 1
"""
_PREPARE = """
set -e
mkdir -p -m 700 ~/.ssh
cat > ~/.ssh/authorized_keys
mkdir -p /etc/systemd/system/redis-server.service.d
printf '[Service]\\nPrivateUsers=false\\n' > /etc/systemd/system/redis-server.service.d/container.conf
systemctl daemon-reload
systemctl start ssh
"""


@dataclass(frozen=True)
class Played:
    """How a playbook ended."""

    code: int
    output: str

    @property
    def changed(self) -> dict[str, int]:
        found = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", self.output, re.MULTILINE)
        return {host: int(number) for host, number in found}

    @property
    def failed(self) -> dict[str, int]:
        found = re.findall(r"^(\S+) +: ok=.* failed=(\d+)", self.output, re.MULTILINE)
        return {host: int(number) for host, number in found}


@dataclass
class Laboratory:
    directory: Path
    network: str
    addresses: dict[str, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def made(cls, directory: Path) -> "Iterator[Laboratory]":
        if shutil.which("docker") is None or _run("docker", "image", "inspect", _IMAGE).returncode:
            pytest.skip(f"there is no image {_IMAGE}")
        laboratory = cls(directory, f"freehold-hosts-{uuid.uuid4().hex[:8]}")
        _must("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "key"))
        _must("docker", "network", "create", "--internal", laboratory.network)
        try:
            yield laboratory
        finally:
            for name in laboratory.addresses:
                _run("docker", "rm", "-f", laboratory.container(name))
            _run("docker", "network", "rm", laboratory.network)

    def container(self, name: str) -> str:
        return f"{self.network}-{name}"

    def add(self, name: str, *, aliases: tuple[str, ...] = ()) -> None:
        also = [part for alias in (name, *aliases) for part in ("--network-alias", alias)]
        self.addresses[name] = ""
        _must(
            *("docker", "run", "-d", "--name", self.container(name), "--hostname", name),
            *("--network", self.network, *also, "--cap-add", "SYS_ADMIN"),
            *("--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
            *("--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            *("--tmpfs", "/run", "--tmpfs", "/tmp", _IMAGE),
        )
        self.on(name, _BOOTED)
        self.on(name, _PREPARE, stdin=(self.directory / "key.pub").read_text())
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        self.addresses[name] = _must(
            "docker", "inspect", "-f", template, self.container(name)
        ).strip()

    def on(self, name: str, script: str, *, stdin: str | None = None) -> str:
        """What the script says on the host."""
        return _must(
            "docker", "exec", "-i", self.container(name), "bash", "-c", script, stdin=stdin
        )

    def bundle(self, *, source: Path = _ROOT, name: str = "bundle") -> Path:
        path = self.directory / name
        python = shutil.which("python3", path=ansible_path()) or "python3"
        _must(python, str(_ROOT / "ansible" / "bundle"), str(path), "--source", str(source))
        return path

    def play(self, playbook: str, *arguments: str, inventory: Mapping[str, object]) -> Played:
        file = self.directory / "inventory.json"
        file.write_text(json.dumps(inventory))
        done = subprocess.run(
            ["ansible-playbook", "-i", str(file), f"playbooks/{playbook}.yml", *arguments],
            cwd=_ROOT / "ansible",
            env={**os.environ, "PATH": ansible_path(), "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self.directory / f"{playbook}.log").write_text(done.stdout)
        return Played(done.returncode, done.stdout)

    def inventory(self, groups: Mapping[str, list[str]], **variables: object) -> dict[str, object]:
        return {
            "freehold": {
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(self.directory / "key"),
                    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no"
                    " -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
                    "installation_public_host": PUBLIC_HOST,
                    **variables,
                },
                "children": {
                    group: {"hosts": {h: {"ansible_host": self.addresses[h]} for h in hosts}}
                    for group, hosts in groups.items()
                },
            }
        }


def ansible_path() -> str:
    own = os.environ.get("ANSIBLE_BIN")
    return f"{own}:{os.environ['PATH']}" if own else os.environ["PATH"]


def _run(*command: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _must(*command: str, stdin: str | None = None) -> str:
    done = _run(*command, stdin=stdin)
    assert done.returncode == 0, f"{' '.join(command[:4])} …: {done.stderr[-2000:]}"
    return done.stdout
