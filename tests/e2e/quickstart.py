"""The real quickstart in a state directory of its own, and HTTP to it."""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from scripts.stack.paths import ROOT


@dataclass(frozen=True)
class Quickstart:
    state: Path
    port: int
    clients: ExitStack

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Its output is read until it ends, also when it fails."""
        return subprocess.run(
            self._command(*arguments),
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Do not wait for it."""
        return subprocess.Popen(
            self._command(*arguments),
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def supervisor(self) -> int:
        """The process that all others belong to."""
        return int((self.state / "quickstart.lock").read_text())

    def processes(self) -> list[int]:
        """Live ones, whatever their name, user or group: all that were given this state directory."""
        mark = f"FREEHOLD_STATE_DIR={self.state}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    @property
    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "FREEHOLD_STATE_DIR": str(self.state),
            "FREEHOLD_PORT": str(self.port),
        }

    def _command(self, *arguments: str) -> list[str | Path]:
        return [sys.executable, ROOT / "scripts" / "quickstart", *arguments]

    @property
    def summary(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.state / "quickstart.json").read_text())
        return loaded

    def visitor(self, slug: str) -> httpx.Client:
        return self.clients.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{self.port}/api/v1/",
                headers={"host": f"{slug}.localhost:{self.port}"},
                timeout=30,
            )
        )

    def person(self, slug: str, role: str) -> httpx.Client:
        tenant = next(tenant for tenant in self.summary["tenants"] if tenant["slug"] == slug)
        user = next(user for user in tenant["users"] if user["role"] == role)
        client = self.visitor(slug)
        response = client.post(
            "auth/login/", json={"email": user["email"], "password": user["password"]}
        )
        assert response.status_code == 200, response.text
        client.headers["authorization"] = f"Bearer {response.json()['access']}"
        return client
