"""What a relay tells of itself in the audit database: that it lives, what it holds, what it cannot move."""

import json
import logging
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit import metrics
from shared_apps.audit.relay.turns import Failure

logger = logging.getLogger(__name__)

EVERY = 5.0  # seconds


class Heartbeat:
    def __init__(
        self,
        session: psycopg.Connection[Any],
        *,
        relay: UUID,
        host: str,
        process_id: int,
        started_at: datetime,
        every: float,
    ) -> None:
        self._session = session
        self._relay = relay
        self._origin = (host, process_id, started_at)
        self._every = every
        self._next = 0.0
        self._last: tuple[float, int] | None = None
        self._is_possible = True

    def give(
        self,
        *,
        shards: set[int],
        moved: int,
        moved_at: datetime | None,
        waiting: Mapping[str, datetime],
        failing: Mapping[str, Failure],
        at_once: bool,
    ) -> None:
        """Every few seconds; `at_once` when the shards have changed."""
        metrics.report(waiting=waiting, failing=failing)
        if not self._is_possible or (time.monotonic() < self._next and not at_once):
            return
        failures = [
            {"schema": s, "reason": f.reason, "since": f.since.isoformat(), "times": f.times}
            for s, f in sorted(failing.items())
        ]
        try:
            self._session.execute(
                "SELECT audit.report_relay(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    self._relay,
                    *self._origin,
                    sorted(shards),
                    moved,
                    moved_at,
                    self._rate(moved),
                    len(waiting),
                    min(waiting.values(), default=None),
                    json.dumps(failures),
                ],
            )
        except (psycopg.errors.UndefinedFunction, psycopg.errors.InsufficientPrivilege):
            # The audit database is older than this program; moving comes first.
            logger.warning("The relay cannot report: run `manage.py install`")
            self._is_possible = False
        self._next = time.monotonic() + self._every

    def _rate(self, moved: int) -> float:
        """Rows a second since the last report."""
        now = time.monotonic()
        at, before = self._last or (now, moved)
        self._last = now, moved
        return (moved - before) / max(now - at, 0.001)

    def end(self) -> None:
        """This relay has stopped as it was told to."""
        if self._is_possible:
            self._session.execute("SELECT audit.retire_relay(%s)", [self._relay])
