"""The ways that lead from the application to PostgreSQL, and a switch between them."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from scripts.stack import pgbouncer
from scripts.stack.pgbouncer import PgBouncer, PoolMode, Upstream


@dataclass(frozen=True)
class Mode:
    """One way. `pooler`: the pool_mode of a PgBouncer with `servers` server connections."""

    name: str
    pool_mode: str
    psycopg_pool: int = 0
    pooler: PoolMode | None = None
    servers: int = 1
    is_sharded: bool = False
    """As to a Citus coordinator; a plain server takes what is said there as well."""

    @property
    def is_per_transaction(self) -> bool:
        return self.pool_mode == "transaction"


DIRECT = Mode("direct", "session")
POOL = Mode("psycopg-pool", "session", psycopg_pool=4)
PGBOUNCER_SESSION = Mode("pgbouncer-session", "session", pooler="session", servers=20)
PGBOUNCER_TRANSACTION = Mode("pgbouncer-transaction", "transaction", pooler="transaction")
MODES = (
    DIRECT,
    POOL,
    PGBOUNCER_SESSION,
    PGBOUNCER_TRANSACTION,
    Mode("pool-and-pgbouncer-transaction", "transaction", psycopg_pool=4, pooler="transaction"),
    Mode("sharded", "transaction", is_sharded=True),
)


class Poolers:
    """PgBouncers in front of the test server, each started when it is first wanted."""

    def __init__(self) -> None:
        self._running: dict[tuple[PoolMode, int], PgBouncer] = {}
        self._stack = ExitStack()

    def port(self, pool_mode: PoolMode, servers: int) -> str:
        """Skips the test where PgBouncer is missing, unless FREEHOLD_REQUIRE_PGBOUNCER is set."""
        if pgbouncer.find_pgbouncer() is None and not os.environ.get("FREEHOLD_REQUIRE_PGBOUNCER"):
            pytest.skip(pgbouncer.MISSING)
        key = (pool_mode, servers)
        if key not in self._running:
            directory = Path(
                self._stack.enter_context(tempfile.TemporaryDirectory(prefix="freehold-pgbouncer-"))
            )
            directory.chmod(0o711)
            pooler = PgBouncer(
                directory / "pooler",
                upstreams=tuple(map(_upstream, ("default", "migration"))),
                pool_mode=pool_mode,
                pool_size=servers,
            )
            pooler.start()
            self._stack.callback(pooler.stop)
            self._running[key] = pooler
        return str(self._running[key].port)

    def stop(self) -> None:
        self._stack.close()


@contextmanager
def connected(mode: Mode, poolers: Poolers) -> Iterator[None]:
    """Every thread's `default` connection takes this way in the block."""
    with default_connection(**settings_of(mode, poolers)):
        yield


@contextmanager
def default_connection(**overrides: Any) -> Iterator[None]:
    """Swap settings of the `default` connection for all threads."""
    usual = connections.settings["default"]
    _leave()
    connections.settings["default"] = {**usual, **overrides}
    try:
        yield
    finally:
        _leave()
        connections.settings["default"] = usual


def _leave() -> None:
    wrapper = connections["default"]
    wrapper.close()
    wrapper.close_pool()
    del connections["default"]


def settings_of(mode: Mode, poolers: Poolers) -> dict[str, Any]:
    usual = connections.settings["default"]
    options = {name: value for name, value in usual["OPTIONS"].items() if name != "pool"}
    overrides: dict[str, Any] = {
        "POOL_MODE": mode.pool_mode,
        "SHARDED": mode.is_sharded,
        "OPTIONS": options,
    }
    if mode.psycopg_pool:
        options["pool"] = {"min_size": 0, "max_size": mode.psycopg_pool, "timeout": 10.0}
        overrides |= {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    if mode.pooler:
        overrides |= {"HOST": "127.0.0.1", "PORT": poolers.port(mode.pooler, mode.servers)}
    return overrides


def _upstream(alias: str) -> Upstream:
    database = settings.DATABASES[alias]
    return Upstream(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
    )
