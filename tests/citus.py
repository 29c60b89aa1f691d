"""An installation of the product on a Citus cluster that the environment names."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo, sql

from scripts.stack.environment import Secrets, product_environment
from scripts.stack.infra import Servers
from scripts.stack.paths import ROOT
from tests.ended import Ended

COORDINATOR = "TEST_CITUS_COORDINATOR_URL"
NODES = "TEST_CITUS_NODE_URLS"
MISSING = (
    f"Citus is in no package registry that the suite reaches: name one by {COORDINATOR} and {NODES}"
    " (superusers' URLs, the nodes' separated by commas) to run this"
)


@dataclass(frozen=True)
class Cluster:
    environment: dict[str, str]
    database: str
    nodes: tuple[str, ...]
    """As Citus names them: host:port."""
    urls: tuple[str, ...]
    """Of the database, the coordinator's first."""

    def manage(self, *arguments: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env={**os.environ, **self.environment},
            cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def write(self, slug: str, code: str) -> None:
        """Code in a tenant's context, put down to `test:<slug>`."""
        prelude = (
            "from shared_apps.core import attribution, context\n"
            "from shared_apps.tenants import selectors\n"
            "from tenant_apps.invoicing.models import Vendor\n"
            "from uuid import uuid4\n"
            "from django.db import transaction\n"
            "with context.operator():\n"
            f"    tenant = selectors.get_tenant(slug={slug!r}).identity\n"
            f"who = attribution.Attribution(system='test:{slug}')\n"
            "with context.tenant(tenant), attribution.acting(who):\n"
        )
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        ended = self.manage("shell", "--no-imports", "-c", prelude + lines)
        assert ended.code == 0, ended.err

    def query(self, statement: str, *, server: int = 0) -> list[tuple[Any, ...]]:
        """As a superuser; 0 is the coordinator."""
        with psycopg.connect(self.urls[server]) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]  # text of the tests
            return cursor.fetchall() if cursor.description else []

    def node_of(self, slug: str) -> str:
        places = {
            place["slug"]: place["nodes"]
            for place in self.manage("fleet", "sharding", "--json").json["places"]
        }
        (node,) = places[slug]
        return str(node)


@contextmanager
def of_the_environment(directory: Path, *, audit_url: str, redis_url: str) -> Iterator[Cluster]:
    """A database on each server, joined to a cluster; dropped afterwards. Skips where there is none."""
    coordinator, nodes = os.environ.get(COORDINATOR), os.environ.get(NODES)
    if not coordinator or not nodes:
        pytest.skip(MISSING)
    name = f"citus_{secrets.token_hex(3)}"
    servers = [coordinator, *nodes.split(",")]
    inside = [conninfo.make_conninfo(url, dbname=name) for url in servers]
    addresses = [_address(url) for url in servers]
    try:
        for server, database in zip(servers, inside, strict=True):
            _execute(server, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            _execute(database, sql.SQL("CREATE EXTENSION citus"))
        _execute(inside[0], _call("citus_set_coordinator_host", *addresses[0]))
        for address in addresses[1:]:
            _execute(inside[0], _call("citus_add_node", *address))
        yield Cluster(
            environment={
                **product_environment(
                    Servers(coordinator, audit_url, redis_url),
                    Secrets(),
                    settings="config.settings.test",
                    files=directory / "files",
                    prefix=name,
                ),
                "DATABASE_SHARDING": "citus",
            },
            database=name,
            nodes=tuple(f"{host}:{port}" for host, port in addresses[1:]),
            urls=tuple(inside),
        )
    finally:
        for server in servers:
            _drop(server, name)
        _drop(audit_url, f"{name}_audit")


def _address(url: str) -> tuple[str, int]:
    parts = conninfo.conninfo_to_dict(url)
    return str(parts["host"]), int(parts.get("port") or 5432)


def _call(function: str, host: str, port: int) -> sql.Composed:
    return sql.SQL("SELECT {}({}, {})").format(
        sql.Identifier(function), sql.Literal(host), sql.Literal(port)
    )


def _execute(url: str, statement: sql.Composable) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _drop(server: str, database: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
        prefix = database.removesuffix("_audit")
        # A role belongs to the roles that it was given to; those that were given one go first.
        for _ in range(3):
            rows = connection.execute(
                "SELECT rolname FROM pg_roles WHERE starts_with(rolname, %s)", [f"{prefix}_"]
            ).fetchall()
            for (role,) in rows:
                try:
                    connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))
                except psycopg.errors.DependentObjectsStillExist:
                    continue
