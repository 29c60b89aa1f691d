"""The servers as Docker containers, for running the suite on other versions than the embedded."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from scripts.stack.errors import StackError
from scripts.stack.infra import Servers
from scripts.stack.paths import ROOT

POSTGRES_IMAGE = "postgres:15-bookworm"
REDIS_IMAGE = "redis:7-bookworm"
_POSTGRES_COMMAND = (
    "postgres -c max_connections=200 -c max_locks_per_transaction=256"
    " -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
)
_START_SECONDS = 60.0


@contextmanager
def containers() -> Iterator[Servers]:
    """Two PostgreSQL containers and one Redis, running while the block does.

    Raises:
        StackError: no Docker Engine answers, an image cannot be had, or a server does not start.
    """
    # Testcontainers' own guard is a container whose image a closed network may lack; ours is a
    # process that waits for our end.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    # Inside, because they are installed for tests only.
    import docker.errors  # type: ignore[import-untyped]  # it ships no types
    import requests.exceptions
    from testcontainers.core.container import DockerContainer

    password = secrets.token_urlsafe(24)

    def postgres_container() -> DockerContainer:
        container = DockerContainer(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", password)
        return container.with_command(_POSTGRES_COMMAND).with_exposed_ports(5432)

    def address(container: DockerContainer, port: int) -> str:
        return f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"

    with ExitStack() as stack:
        watch = stack.enter_context(guard())
        started = []
        try:
            for make in (
                postgres_container,
                postgres_container,
                lambda: DockerContainer(REDIS_IMAGE).with_exposed_ports(6379),
            ):
                container = make()
                stack.callback(container.stop)
                watch(container.start().get_container_id())
                started.append(container)
        except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
            raise StackError(f"Containers need a Docker Engine and both images: {error}") from error
        application, audit, redis = started
        servers = Servers(
            admin_url=f"postgresql://postgres:{password}@{address(application, 5432)}/postgres",
            audit_admin_url=f"postgresql://postgres:{password}@{address(audit, 5432)}/postgres",
            redis_url=f"redis://{address(redis, 6379)}/0",
        )
        _wait_until_ready(servers)
        yield servers


@contextmanager
def guard() -> Iterator[Callable[[str], None]]:
    """Containers named to the yielded function are removed when this process ends, however."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.stack.container_guard"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    names = process.stdin

    def watch(container_id: str) -> None:
        print(container_id, file=names, flush=True)

    try:
        yield watch
    finally:
        names.close()
        process.wait()


def _wait_until_ready(servers: Servers) -> None:
    import psycopg
    import redis

    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            for url in (servers.admin_url, servers.audit_admin_url):
                psycopg.connect(url, connect_timeout=5).close()
            with redis.Redis.from_url(servers.redis_url, socket_timeout=5) as client:
                client.ping()
        except (psycopg.OperationalError, redis.RedisError) as error:
            if time.monotonic() > deadline:
                raise StackError(f"A container does not start: {error}") from error
            time.sleep(0.2)
        else:
            return
