"""The relay's two sessions, which their servers end when the relay stands still or cannot be reached."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from shared_apps.core import databases
from shared_apps.core.databases import Database


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a server takes back what a relay holds.

    A process that was stopped, or that the network has cut off, keeps its locks no longer than that.
    """

    lock: float = 2.0
    """To wait for a lock that another session holds."""
    statement: float = 30.0
    silence: float = 40.0
    """Longer than a statement: in one session the relay is silent while it waits for the other."""


_NAME = "freehold relay"

# For both ends: a peer that is gone without a word is noticed within half a minute.
_KEEPALIVE = {"idle": 10, "interval": 5, "count": 3}
_USER_TIMEOUT_MS = 25_000


@contextmanager
def opened(
    url: str, database: Database, *, patience: Patience
) -> Iterator[psycopg.Connection[Any]]:
    """A session to an outbox database or the audit database, in autocommit."""
    address = make_conninfo(
        url,
        application_name=_NAME,
        tcp_user_timeout=_USER_TIMEOUT_MS,
        **{f"keepalives_{name}": value for name, value in _KEEPALIVE.items()},
    )
    with databases.connect(address, database, autocommit=True) as session:
        # As a statement: poolers refuse them among the options of the connection.
        values = {
            "TimeZone": "UTC",
            "lock_timeout": _milliseconds(patience.lock),
            "statement_timeout": _milliseconds(patience.statement),
            "idle_in_transaction_session_timeout": _milliseconds(patience.silence),
            "idle_session_timeout": _milliseconds(patience.silence),
            "tcp_user_timeout": str(_USER_TIMEOUT_MS),
            **{f"tcp_keepalives_{name}": str(value) for name, value in _KEEPALIVE.items()},
        }
        session.execute(
            "SELECT set_config(name, value, false)"
            " FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
            [list(values), list(values.values())],
        )
        yield session


# No timeout of a server's sees a session that stopped within a pipeline, or while it reads an answer:
# to PostgreSQL it is at work (before 17, which has one for transactions).
_END_SILENT = """
WITH silent AS MATERIALIZED (
    SELECT pid FROM pg_stat_activity
    WHERE usename = current_user AND datname = current_database() AND application_name = %s
        AND pid <> pg_backend_pid() AND state_change < clock_timestamp() - make_interval(secs => %s)
)
SELECT pid FROM silent WHERE pg_terminate_backend(pid)
"""


def end_silent(session: psycopg.Connection[Any], *, patience: Patience) -> list[int]:
    """End other relays' sessions here that have stood still too long; returns their processes.

    What they hold is free then, and a relay that only slept finds its session gone and begins anew.
    """
    rows = session.execute(_END_SILENT, [_NAME, patience.silence + patience.statement]).fetchall()
    return [pid for (pid,) in rows]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}"
