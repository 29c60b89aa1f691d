"""One relay: connects, works, and begins anew when a database was away."""

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg

from shared_apps.audit import metrics
from shared_apps.audit.errors import OutboxesLeftError
from shared_apps.audit.relay import heartbeat
from shared_apps.audit.relay.sessions import Patience, opened
from shared_apps.audit.relay.shift import Progress, Shift
from shared_apps.audit.relay.turns import Turns
from shared_apps.core.databases import Database
from shared_apps.core.errors import explain
from shared_apps.core.heartbeat import Heartbeat

logger = logging.getLogger(__name__)

BATCH = 1000  # rows
_FIRST_PAUSE = 0.1  # seconds
_RETRY_LIMIT = 5.0  # seconds between attempts while a database is away


@dataclass
class Relay:
    """`run()` works until `stop()`; `run_once()` until every outbox is empty."""

    source_url: str
    target_url: str
    redis_url: str
    batch: int = BATCH
    patience: Patience = field(default_factory=Patience)
    heartbeat_every: float = heartbeat.EVERY
    pulse: Heartbeat = field(default_factory=lambda: Heartbeat("", "relay"))
    """For whoever watches this process; `heartbeat` is for whoever looks into the audit database."""

    def __post_init__(self) -> None:
        self.id: UUID = uuid4()
        self._started_at = datetime.now(UTC)
        self._progress = Progress()
        self._turns = Turns(batch=self.batch)
        self._stopping = threading.Event()

    @property
    def moved(self) -> int:
        return self._progress.moved

    def stop(self) -> None:
        """Finish the batch in hand and end."""
        self._stopping.set()

    def run(self) -> None:
        pause = _FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                with self._opened() as shift:
                    shift.work(self.redis_url)
            except psycopg.Error as error:
                metrics.AWAY.inc()
                # Nothing is lost: what was claimed is in the outbox again.
                if time.monotonic() - began > _RETRY_LIMIT:
                    pause = _FIRST_PAUSE
                logger.warning(
                    "A database is away, trying again in %.1f s: %s", pause, explain(error)
                )
                self.pulse.waits("a database")
                self._stopping.wait(pause)
                pause = min(pause * 2, _RETRY_LIMIT)

    def run_once(self) -> int:
        """Empty every outbox, or see another relay do it; returns the number of rows moved here.

        Raises:
            psycopg.Error: a database cannot be reached; what was moved is moved, the rest is where it was.
            OutboxesLeftError: the changes of some tenants cannot be moved; those of all others are.
        """
        before = self.moved
        with self._opened() as shift:
            failed = shift.empty()
        if failed:
            raise OutboxesLeftError(failed)
        return self.moved - before

    @contextmanager
    def _opened(self) -> Iterator[Shift]:
        with (
            opened(self.source_url, Database.TENANTS, patience=self.patience) as source,
            opened(self.target_url, Database.AUDIT, patience=self.patience) as target,
        ):
            yield self.shift(source, target)

    def shift(self, source: psycopg.Connection[Any], target: psycopg.Connection[Any]) -> Shift:
        """Work over these two sessions."""
        return Shift(
            source=source,
            target=target,
            turns=self._turns,
            progress=self._progress,
            heartbeat=heartbeat.Heartbeat(
                target,
                relay=self.id,
                host=socket.gethostname(),
                process_id=os.getpid(),
                started_at=self._started_at,
                every=self.heartbeat_every,
            ),
            stopping=self._stopping,
            patience=self.patience,
            pulse=self.pulse,
        )
