"""The whole product on servers that a test may stop, kill and start again.

Web, worker, beat and relay run as the quickstart runs them, and none of them is ever restarted: one
that dies is a failure.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import psycopg

from scripts.stack import product
from scripts.stack.binaries import Binaries
from scripts.stack.environment import LOCAL_SETTINGS, load_or_create_secrets, product_environment
from scripts.stack.errors import StackError
from scripts.stack.infra import Servers
from scripts.stack.paths import PYTHON, ROOT
from scripts.stack.ports import free_port
from scripts.stack.postgres import EmbeddedPostgres
from scripts.stack.private_files import read_json
from scripts.stack.process import kill_group
from scripts.stack.redis_server import EmbeddedRedis
from scripts.stack.server import EmbeddedServer
from scripts.stack.state import State
from scripts.stack.supervisor import Supervisor
from tests.stack.processes import wait_until

_LONGEST_LIFE = 1800.0  # seconds


class System:
    def __init__(
        self,
        path: Path,
        *,
        binaries: Binaries,
        prefix: str = "freehold",
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        """`prefix` begins the names of its logins and databases."""
        self.state = State(path)
        self.port = free_port()
        self.prefix = prefix
        self.postgres = EmbeddedPostgres(
            self.state.postgres, binaries=binaries, settings=server_settings
        )
        self.redis = EmbeddedRedis(self.state.redis, binaries=binaries)
        self._binaries = binaries
        self.environment: dict[str, str] = {}
        self._supervisor = Supervisor(report=print)
        self._clients = ExitStack()
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self._deaths: list[str] = []

    def start(self) -> None:
        self.state.create()
        self.postgres.start()
        self.redis.start()
        servers = Servers(
            admin_url=self.postgres.url,
            audit_admin_url=self.postgres.url,
            redis_url=self.redis.url,
            programs=self._binaries.postgres_programs,
        )
        secrets = load_or_create_secrets(self.state.secrets)
        self.environment = product_environment(
            servers, secrets, settings=LOCAL_SETTINGS, files=self.state.files, prefix=self.prefix
        )
        product.prepare_data(self.state, self.environment, progress=lambda line: None)
        for program in product.programs(self.state, self.environment, port=self.port):
            self._supervisor.start(program)
        self._watcher.start()
        self.wait_until(lambda: product.answers(self.port), seconds=60)

    def stop(self) -> None:
        self._clients.close()
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._supervisor.stop()
        shutil.rmtree(self.state.metrics, ignore_errors=True)
        self.redis.stop()
        self.postgres.stop()

    def _tail_of_web(self) -> str:
        lines = (self.state.logs / "web.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-60:])

    def wait_until(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Fails when time is up, or one of the product's programs has died."""
        met = wait_until(lambda: bool(self._deaths) or condition(), seconds=seconds)
        assert self._deaths == [], self._deaths
        assert met, f"time is up; the last of web.log:\n{self._tail_of_web()}"

    def _watch(self) -> None:
        """Log what the programs print, which would stop them if nobody read it."""
        try:
            self._supervisor.wait_until(self._stopping.is_set, seconds=_LONGEST_LIFE)
        except StackError as error:
            self._deaths.append(str(error))

    # -- outages --------------------------------------------------------------------------------

    def shut_down(self, server: EmbeddedServer) -> None:
        """As an operator does; returns when its port is closed."""
        assert server.process is not None
        server.process.send_signal(server.stop_signals[0][0])
        server.process.wait(30)

    def kill(self, server: EmbeddedServer) -> None:
        """As the kernel does when memory is short; returns when nothing of it is left."""
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(10)
        kill_group(server.process.pid)
        server.after_stop()

    def start_again(self, server: EmbeddedServer) -> None:
        server.restart()
        assert wait_until(server.is_ready, seconds=30)

    # -- looking inside -------------------------------------------------------------------------

    def connect(self, database: str = "") -> "psycopg.Connection[Any]":
        """As the superuser, past the product."""
        url = self.postgres.url.rpartition("/")[0] + f"/{database or self.prefix}"
        return psycopg.connect(url, connect_timeout=5)

    def ask(self, query: str, *values: object, database: str = "") -> list[tuple[Any, ...]]:
        """As the superuser, past the product."""
        with self.connect(database) as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def manage(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`manage.py` as its operator runs it."""
        return subprocess.run(
            [PYTHON, "manage.py", *arguments],
            env={**os.environ, **self.environment, **(environment or {})},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def in_product(self, code: str) -> subprocess.CompletedProcess[str]:
        """Run Python with the product's environment and Django set up."""
        return subprocess.run(
            [PYTHON, "-c", f"import django; django.setup()\n{code}"],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # -- HTTP -----------------------------------------------------------------------------------

    def visitor(self, slug: str) -> httpx.Client:
        return self._clients.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{self.port}/api/v1/",
                headers={"host": f"{slug}.localhost:{self.port}"},
                timeout=30,
            )
        )

    def credentials(self, slug: str, role: str) -> dict[str, str]:
        accounts = read_json(self.state.accounts)
        users = next(t["users"] for t in accounts["tenants"] if t["slug"] == slug)
        user = next(user for user in users if user["role"] == role)
        return {"email": user["email"], "password": user["password"]}

    def person(
        self, slug: str, role: str = "", *, credentials: Mapping[str, str] | None = None
    ) -> httpx.Client:
        """Signed in; a 503 just after an outage is tried again, as it asks for."""
        client, until = self.visitor(slug), time.monotonic() + 30
        known = credentials or self.credentials(slug, role)
        while True:
            response = client.post("auth/login/", json=known)
            if response.status_code != 503 or time.monotonic() > until:
                break
            time.sleep(0.2)
        assert response.status_code == 200, response.text
        client.headers["authorization"] = f"Bearer {response.json()['access']}"
        return client
