"""Both databases as of one moment, while everything goes on.

An entry of the audit trail leaves the outbox of the application database for the audit database: a
dump of the one and a dump of the other, begun one after the other, could hold it in neither, or in a
trail that is ahead of the rows. So `append` is kept out for the few milliseconds in which a snapshot of
each is taken, the audit database's first. What a relay has in hand then is still in the outbox of the
second snapshot; where its append was committed already, the trail has it too, and after a restore
`audit.append` skips what it has. Nothing can be in the trail whose change is not among the rows: it was
committed before it was appended.

Snapshots are handed to several sessions by name. They hold no lock on any table.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from shared_apps.operations.backup.sources import Source
from shared_apps.operations.errors import BackupError

_PATIENCE_MS = 3000
_ATTEMPTS = 10
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one database was at the moment. `session` keeps it; it works on nothing else."""

    source: Source
    name: str
    server_version: int
    session: psycopg.Connection[Any]

    @contextmanager
    def seen(self) -> Iterator[psycopg.Connection[Any]]:
        """Another session in a transaction that sees the same."""
        with self.source.connect() as connection:
            connection.execute(_BEGIN)
            connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(self.name))
            yield connection
            connection.execute("ROLLBACK")


@dataclass(frozen=True, slots=True)
class Moment:
    at: datetime
    application: Snapshot
    audit: Snapshot


@contextmanager
def taken(
    application: Source,
    audit: Source,
    *,
    patience_ms: int = _PATIENCE_MS,
    attempts: int = _ATTEMPTS,
) -> Iterator[Moment]:
    """Snapshots of both databases that belong together, until the block ends.

    Raises:
        BackupError: somebody holds the audit trail for long.
        psycopg.OperationalError: a database cannot be reached, or a login may not.
    """
    with ExitStack() as stack:
        gate = stack.enter_context(audit.connect())
        sessions = {
            source.key: stack.enter_context(source.connect()) for source in (audit, application)
        }
        _shut(gate, patience_ms, attempts)
        snapshots = [
            _snapshot(source, sessions[source.key]) for source in (audit, application)
        ]  # fmt: skip
        row = sessions["application"].execute("SELECT clock_timestamp()").fetchone()
        gate.execute("ROLLBACK")
        assert row is not None
        yield Moment(row[0], application=snapshots[1], audit=snapshots[0])


def _shut(gate: psycopg.Connection[Any], patience_ms: int, attempts: int) -> None:
    """Wait for the appends in hand, and let no other begin."""
    for _ in range(attempts):
        gate.execute("BEGIN")
        gate.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(patience_ms))
        try:
            gate.execute("LOCK TABLE audit.entry IN SHARE MODE")
        except psycopg.errors.LockNotAvailable:
            gate.execute("ROLLBACK")
        else:
            return
    raise BackupError(
        "Somebody holds the audit trail for longer than half a minute: `audit prune`, or a transaction by hand."
    )


def _snapshot(source: Source, session: psycopg.Connection[Any]) -> Snapshot:
    session.execute(_BEGIN)
    row = session.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    return Snapshot(source, str(row[0]), session.info.server_version, session)
