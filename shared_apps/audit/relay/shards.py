"""Which relay works on which schemas.

Every schema belongs to one of a fixed number of shards. Who works on a shard holds its advisory lock in
the audit database; the lock ends with the session, so nobody's clock decides who is alive.
"""

import math
import zlib
from collections.abc import Collection
from typing import Any

import psycopg

COUNT = 32
_NAMESPACE = 0x46_48_52_53  # the first number of our advisory locks
_PRESENCE = 1_000  # the second one of a lock that all relays share; shards have lower ones

_LOCKS = """
SELECT objid::integer, count(*)::integer FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY 1
"""


def shard_of(schema: str) -> int:
    """Always the same, in every process and version: two relays must not differ about it."""
    return zlib.crc32(schema.encode()) % COUNT


class Shards:
    """Those that this session holds."""

    def __init__(self, session: psycopg.Connection[Any]) -> None:
        self._session = session
        self.held: set[int] = set()

    def join(self) -> None:
        """Be counted among the relays that share the work."""
        self._session.execute("SELECT pg_advisory_lock_shared(%s, %s)", [_NAMESPACE, _PRESENCE])

    def holds(self, schema: str) -> bool:
        return shard_of(schema) in self.held

    def balance(self) -> bool:
        """Hold a fair part of the shards; says whether anything changed. Not within a batch."""
        locks = dict(self._session.execute(_LOCKS, [_NAMESPACE]).fetchall())
        fair = math.ceil(COUNT / max(1, locks.pop(_PRESENCE, 1)))
        before = set(self.held)
        self.release(sorted(self.held)[fair:])
        free = [shard for shard in range(COUNT) if shard not in locks]
        self.take(free[: max(0, fair - len(self.held))])
        return self.held != before

    def take(self, wanted: list[int]) -> None:
        """Hold those of them that are free."""
        wanted = [shard for shard in wanted if shard not in self.held]
        if wanted:
            taken = self._session.execute(
                "SELECT shard FROM unnest(%s::integer[]) AS shard"
                " WHERE pg_try_advisory_lock(%s, shard)",
                [wanted, _NAMESPACE],
            ).fetchall()
            self.held |= {shard for (shard,) in taken}

    def release(self, shards: Collection[int] | None = None) -> None:
        """Leave these to other relays; all of them if none is named."""
        for shard in list(self.held) if shards is None else shards:
            self._session.execute("SELECT pg_advisory_unlock(%s, %s)", [_NAMESPACE, shard])
            self.held.remove(shard)
