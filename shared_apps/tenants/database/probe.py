"""Is the way to PostgreSQL one on which the context holds?

Session-level settings (role, path) are safe only where a client keeps its server connection. A pooler
does not say what it does, so two connections ask whose server process answers them: processes that
change or are shared are a pooler's in transaction mode. The libpq handshake tells a pooler from
PostgreSQL by the process id, which a pooler makes up. Nothing is left on the server.

Every process looks before its first statement, and again at start-up, where it can say so in time.
"""

import logging
import select
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from psycopg.pq import TransactionStatus

from shared_apps.core import renewal
from shared_apps.tenants.database.profile import PoolMode, Profile

if TYPE_CHECKING:
    from shared_apps.tenants.database.base import DatabaseWrapper

logger = logging.getLogger(__name__)

OLDEST_SUPPORTED = 140000
# Two in a row on each side: a pooler that hands its connections out in turn gives two clients that
# take turns the same one every time.
_ORDER = "AABBBAABAB"
_PATIENCE_SECONDS = 2.0


class Pooling(StrEnum):
    """What is between us and PostgreSQL."""

    NONE = "no pooler"
    SESSION = "a pooler in session mode"
    TRANSACTION = "a pooler in transaction mode"
    STATEMENT = "a pooler in statement mode"


@dataclass(frozen=True, slots=True)
class Route:
    """What was found on the way to PostgreSQL."""

    pooling: Pooling
    server_version: int


class UnsafeRouteError(ImproperlyConfigured):
    """Statements could meet another tenant's role and path on this way."""


def inspect_route(parameters: dict[str, Any]) -> Route:
    """Look at the way that connections with these parameters take.

    Raises:
        psycopg.Error: the database cannot be reached.
    """
    known = {name: parameters[name] for name in _ADDRESS if parameters.get(name)}
    known.setdefault("connect_timeout", 5)
    with _connect(known) as first:
        version = first.info.server_version
        pids: dict[str, set[int]] = {"A": {_server_pid(first)}, "B": set()}
        has_pooler = first.info.backend_pid not in pids["A"]
        if not _allows_transactions(first):
            return Route(Pooling.STATEMENT, version)
        try:
            with _connect(known) as second:
                for side in _ORDER:
                    pids[side].add(_server_pid(first if side == "A" else second))
        except (_NoAnswer, psycopg.OperationalError):
            # There is no server connection beside the first one's, although that one is idle: so the
            # first one keeps it, and nobody else is given it between two transactions.
            pids["B"].clear()
    if len(pids["A"]) > 1 or len(pids["B"]) > 1 or pids["A"] & pids["B"]:
        return Route(Pooling.TRANSACTION, version)
    return Route(Pooling.SESSION if has_pooler else Pooling.NONE, version)


def refusal(route: Route, profile: Profile) -> str | None:
    """Why this way must not be used with this mode, and what to do about it; None when it may."""
    match route.pooling, profile.pool_mode:
        case Pooling.STATEMENT, _:
            return (
                "There is a pooler in statement mode between this process and PostgreSQL, which "
                "allows no transactions. Set its pool_mode to transaction or session."
            )
        case Pooling.TRANSACTION, PoolMode.SESSION if profile.uses_roles:
            return (
                "DATABASE_POOL_MODE is session, but there is a pooler in transaction mode between "
                "this process and PostgreSQL: a tenant's statements would run as another tenant. "
                "Set DATABASE_POOL_MODE=transaction, or the pooler's pool_mode to session. (Letting "
                "the pooler track search_path is not enough: the role is not tracked.)"
            )
        case Pooling.TRANSACTION, PoolMode.SESSION:
            return (
                "MIGRATION_DATABASE_URL leads through a pooler in transaction mode; migrations "
                "need advisory locks and session settings. Let it name PostgreSQL itself."
            )
    if route.server_version < OLDEST_SUPPORTED:
        return f"PostgreSQL {route.server_version // 10000} is too old; 14 is the oldest supported."
    return None


def require_safe_route(wrapper: "DatabaseWrapper") -> None:
    """Look once a process; later calls cost a look into a dictionary.

    Raises:
        UnsafeRouteError: the way can hand one tenant another's rows.
        psycopg.Error: the database cannot be reached, so nothing is known.
    """
    settings = wrapper.settings_dict
    key = (settings["HOST"], settings["PORT"], settings["NAME"], settings["USER"], wrapper.profile)
    if key in _safe:
        return
    with _lock:
        if key in _safe:
            return
        problem = find_problem(wrapper)
        if problem is not None:
            raise UnsafeRouteError(problem)
        _safe.add(key)


def find_problem(wrapper: "DatabaseWrapper") -> str | None:
    """Look, and say why this alias must not be used and what to do about it.

    Raises:
        psycopg.Error: the database cannot be reached, so nothing is known.
    """
    return refusal(inspect_route(wrapper.get_connection_params()), wrapper.profile)


def look_at_start() -> None:
    """Refuse to start on an unsafe way. A database that is down is looked at when it is up.

    Raises:
        UnsafeRouteError: the way can hand one tenant another's rows.
    """
    try:
        require_safe_route(cast("DatabaseWrapper", connections["default"]))
    except psycopg.Error as error:
        logger.warning("The way to the database was not looked at, it cannot be reached: %s", error)


_safe: set[tuple[Any, ...]] = set()
_lock = threading.Lock()

_ADDRESS = (
    *("host", "port", "dbname", "user", "password", "service", "passfile", "connect_timeout"),
    *("sslmode", "sslrootcert", "sslcert", "sslkey", "gssencmode", "target_session_attrs"),
)


class _NoAnswer(Exception):
    """The pooler has no server connection left for this client."""


def _connect(parameters: dict[str, Any]) -> psycopg.Connection[Any]:
    return renewal.Connection.connect(
        autocommit=True, application_name="freehold probe", **parameters
    )


def _server_pid(connection: psycopg.Connection[Any]) -> int:
    """Raises _NoAnswer when there is none in time."""
    pgconn = connection.pgconn
    pgconn.send_query(b"SELECT pg_backend_pid()")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while pgconn.is_busy():
        readable, _, _ = select.select([pgconn.socket], [], [], deadline - time.monotonic())
        if not readable:
            connection.close()
            raise _NoAnswer
        pgconn.consume_input()
    answer = pgconn.get_result()
    while pgconn.get_result() is not None:
        pass
    value = answer.get_value(0, 0) if answer is not None else None
    if value is None:
        raise _NoAnswer
    return int(value)


def _allows_transactions(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("BEGIN")
        connection.execute("ROLLBACK")
    except psycopg.Error:
        return False
    return connection.info.transaction_status == TransactionStatus.IDLE
