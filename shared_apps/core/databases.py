"""Connections to databases, whose failure says which one it was and how it was reached, without a secret."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import psycopg
from psycopg import conninfo

from shared_apps.core import renewal
from shared_apps.core.errors import explain


class Database(StrEnum):
    """As people call it."""

    TENANTS = "the tenants' database"
    AUDIT = "the audit database"


def connect(
    url: str, database: Database, *, connect_timeout: int = 5, **options: Any
) -> psycopg.Connection[Any]:
    """Raises psycopg.OperationalError: it cannot be reached; the text says where it was looked for."""
    try:
        return renewal.Connection.connect(url, connect_timeout=connect_timeout, **options)
    except psycopg.OperationalError as error:
        raise unreachable(error, database, conninfo.conninfo_to_dict(url)) from error


def unreachable(
    error: psycopg.OperationalError, database: Database, parameters: Mapping[str, Any]
) -> psycopg.OperationalError:
    """The error that also names the database. `parameters` are those of libpq."""
    login, name = parameters.get("user") or "", parameters.get("dbname") or ""
    hosts = str(parameters.get("host") or "").split(",")
    ports = str(parameters.get("port") or "5432").split(",")
    address = ",".join(
        f"{host}:{ports[min(number, len(ports) - 1)]}" for number, host in enumerate(hosts)
    )
    reason = explain(error)
    if reason.endswith(":"):  # of several hosts, each with its own on a line that follows
        reason = " ".join(str(error).split())
    return psycopg.OperationalError(
        f"{database} ({login}@{address}/{name}) cannot be reached: {reason}"
    )
