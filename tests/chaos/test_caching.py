"""Kept results over real processes: computed once for everybody, and while Redis is gone."""

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from scripts.stack.binaries import ensure_binaries
from scripts.stack.redis_server import EmbeddedRedis
from shared_apps.core.context import TenantIdentity
from tests import caches
from tests.client import Api
from tests.installation import Installation
from tests.server import Server, serving
from tests.waiting import wait_until

ApiFactory = Callable[..., Api]
_PATH = "/api/v1/invoices/summary/"


def request(
    server: Server, tenant: TenantIdentity, client: Api, *, method: str = "GET",
    path: str = _PATH, body: Any = None,
) -> HTTPResponse:  # fmt: skip
    """On a connection of its own, so that every process gets some."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Host": server.host(tenant), "Content-Type": "application/json", **client.headers}
    try:
        connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def computed(log: Path) -> Counter[str]:
    """How often PostgreSQL was asked for a summary, by tenant: all processes write the same log."""
    lines = (json.loads(line) for line in log.read_text().splitlines())
    return Counter(
        line["tenant"]
        for line in lines
        if line.get("route") == "v1:invoicing:invoice-summary" and "GROUP BY" in line["sql"]
    )


def logged(directory: Path) -> dict[str, str]:
    return {"QUERY_LOG_MODE": "full", "QUERY_LOG_FILE": str(directory / "queries.jsonl")}


def test_a_hundred_at_once_over_four_processes_are_one_query(
    system: Installation, acme: TenantIdentity, globex: TenantIdentity, api: ApiFactory,
    tmp_path: Path,
) -> None:  # fmt: skip
    client, stranger = api(acme, role="viewer"), api(globex, role="viewer")
    found: list[HTTPResponse] = []
    with serving(workers=4, environment=logged(tmp_path)) as server:
        threads = [
            threading.Thread(target=lambda: found.append(request(server, acme, client)))
            for _ in range(100)
        ]
        # Until it is let go nobody can read the table, so that all of them come before there is a result.
        with system.owner() as owner:
            owner.execute(
                sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(
                    sql.Identifier(acme.schema, "invoicing_invoice")
                )
            )
            for thread in threads:
                thread.start()
            time.sleep(1)
        for thread in threads:
            thread.join()

        assert Counter(answer.status for answer in found) == {200: 100}
        assert Counter(answer.headers["X-Cache"] for answer in found) == {"MISS": 1, "HIT": 99}
        assert request(server, globex, stranger).headers["X-Cache"] == "MISS"
        assert computed(tmp_path / "queries.jsonl") == {"acme": 1, "globex": 1}


@contextmanager
def readers(server: Server, tenant: TenantIdentity, client: Api) -> Iterator[list[HTTPResponse]]:
    """Eight people who read as fast as they can; the answers as they come."""
    answers: list[HTTPResponse] = []
    stopping = threading.Event()

    def read() -> None:
        while not stopping.is_set():
            answers.append(request(server, tenant, client))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def states(answers: list[HTTPResponse]) -> Counter[str]:
    return Counter(answer.headers["X-Cache"] for answer in list(answers))


def test_a_hot_result_that_ends_under_load_is_computed_once(
    acme: TenantIdentity, api: ApiFactory, tmp_path: Path
) -> None:
    client = api(acme, role="viewer")
    with (
        caches.connect() as redis,
        serving(workers=2, environment=logged(tmp_path)) as server,
        readers(server, acme, client) as answers,
    ):
        for time_ in range(1, 5):
            wait_until(lambda n=time_: states(answers)["MISS"] == n, "it is computed")  # type: ignore[misc]  # bound now
            seen = len(answers)
            wait_until(lambda n=seen: len(answers) > n + 30, "it is read on")  # type: ignore[misc]  # bound now
            assert states(answers)["MISS"] == time_
            (entry,) = caches.entries(redis, acme)
            if time_ % 2:
                caches.make_old(redis, entry)
            else:
                redis.delete(entry)
        wait_until(lambda: states(answers)["MISS"] == 5, "it is computed")
    assert {answer.status for answer in answers} == {200}
    assert set(states(answers)) <= {"MISS", "HIT", "STALE"}
    assert states(answers)["MISS"] == 5
    assert computed(tmp_path / "queries.jsonl") == {"acme": 5}


@pytest.mark.parametrize("outage", ["ended", "silent"])
def test_without_redis_everything_is_computed_and_it_recovers_alone(
    acme: TenantIdentity, api: ApiFactory, tmp_path: Path, outage: str
) -> None:
    # Signed in by the suite's Redis; the servers have one of their own.
    viewer, editor = api(acme, role="viewer"), api(acme, role="editor")
    own = EmbeddedRedis(tmp_path / "redis", binaries=ensure_binaries(), durable=False)
    own.start()
    try:
        environment = {
            "REDIS_URL": own.url, "CACHE_TIMEOUT_MS": "100", "RATE_LIMIT_TIMEOUT_MS": "100",
        }  # fmt: skip
        with (
            serving(workers=2, environment=environment) as server,
            readers(server, acme, viewer) as answers,
        ):
            wait_until(lambda: states(answers)["HIT"] > 5, "it is kept")
            assert own.process is not None
            os.kill(own.process.pid, signal.SIGKILL if outage == "ended" else signal.SIGSTOP)
            before = len(answers)
            wait_until(lambda: len(answers) > before + 40, "it is answered without Redis")
            body = {"vendor": _vendor(server, acme, editor), "items": []}
            made = request(server, acme, editor, method="POST", path="/api/v1/invoices/", body=body)
            assert made.status == 201

            if outage == "ended":
                own.process.wait(10)
                own.restart()
                wait_until(own.is_ready, "Redis is back")
            else:
                os.kill(own.process.pid, signal.SIGCONT)
            wait_until(
                lambda: states(answers[-6:])["HIT"] == 6 and _drafts(server, acme, viewer) == 1,
                "it is kept again, with what was written meanwhile",
            )
        assert {answer.status for answer in answers} == {200}
    finally:
        if own.process is not None and own.process.poll() is None:
            os.kill(own.process.pid, signal.SIGCONT)
        own.stop()


def _json(server: Server, tenant: TenantIdentity, client: Api, path: str, body: Any = None) -> Any:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Host": server.host(tenant), "Content-Type": "application/json", **client.headers}
    try:
        connection.request(
            "POST" if body else "GET", path, json.dumps(body) if body else None, headers
        )
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _vendor(server: Server, tenant: TenantIdentity, client: Api) -> str:
    return str(_json(server, tenant, client, "/api/v1/vendors/", {"name": "Paper AG"})["id"])


def _drafts(server: Server, tenant: TenantIdentity, client: Api) -> int:
    groups = _json(server, tenant, client, _PATH)["groups"]
    return sum(group["count"] for group in groups)
