"""Servers, both databases and the synthetic project."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import conninfo

from scripts.stack.binaries import ensure_binaries
from scripts.stack.errors import StackError
from scripts.stack.paths import ROOT
from tests.benchmarks.site import Site, site
from tests.benchmarks.tenants import project
from tests.benchmarks.workers import Worker, worker

_SETTINGS = "tests.benchmarks.tenants.settings"


@dataclass(frozen=True, slots=True)
class Place:
    site: Site
    directory: Path
    """Of the synthetic apps."""
    environments: Mapping[str, Mapping[str, str]]
    """By settings module: ours, peer, peer_clone."""

    @contextmanager
    def worker(self, target: str, settings: str) -> Iterator[Worker]:
        with worker(
            f"tests.benchmarks.tenants.{target}",
            name=settings,
            environment=self.environments[settings],
            directory=self.site.directory,
        ) as found:
            yield found

    def run(self, settings: str, arguments: Sequence[str]) -> float:
        """Seconds of a management command as operators run it: a process from start to end.

        Raises:
            StackError: it failed.
        """
        program = ["manage.py"] if settings == "ours" else ["-m", "django"]
        return _time([sys.executable, *program, *arguments], self.environments[settings])

    def dump(self, schema: str, path: Path) -> float:
        """Seconds of a pg_dump of one of our schemas as the owner of its tables.

        Raises:
            StackError: it failed.
        """
        url = self.environments["ours"]["MIGRATION_DATABASE_URL"]
        program = str(ensure_binaries().postgres("pg_dump"))
        taken = _time([program, "-d", url, "-n", schema, "-Fc", "-Z1", "-f", str(path)], {})
        path.unlink()
        return taken


def _time(command: Sequence[str], environment: Mapping[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - started
    if done.returncode:
        program = " ".join([*command[:2], "…"])
        raise StackError(f"{program} failed", details=done.stderr[-2000:])
    return taken


@contextmanager
def place(server_settings: Mapping[str, str] | None = None) -> Iterator[Place]:
    """Nothing is installed yet."""
    with site(server_settings) as here:
        directory = here.directory / "apps"
        directory.mkdir()
        project.write(directory)
        parts = conninfo.conninfo_to_dict(here.servers.admin_url)
        with psycopg.connect(here.servers.admin_url, autocommit=True) as admin:
            admin.execute("CREATE DATABASE peer")
        path = os.pathsep.join([str(directory), str(ROOT)])
        peer = {
            "PYTHONPATH": path,
            "PEER_NAME": "peer",
            "PEER_USER": str(parts.get("user", "")),
            "PEER_PASSWORD": str(parts.get("password") or ""),
            "PEER_HOST": str(parts.get("host", "")),
            "PEER_PORT": str(parts.get("port", "")),
        }
        yield Place(
            here,
            directory,
            {
                "ours": {
                    **here.environment,
                    "PYTHONPATH": path,
                    "DJANGO_SETTINGS_MODULE": f"{_SETTINGS}.ours",
                },
                "peer": {**peer, "DJANGO_SETTINGS_MODULE": f"{_SETTINGS}.peer"},
                "peer_clone": {**peer, "DJANGO_SETTINGS_MODULE": f"{_SETTINGS}.peer_clone"},
            },
        )
