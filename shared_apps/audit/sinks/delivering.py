"""The process that sends entries on to their sinks, each at its own pace.

A batch is sent, the destination says that it has it, then the sink's number is moved on. Death in between
sends the batch again, and the destination knows the entries by their uid; nothing is passed over.

A process of its own, not part of the relay: it talks to machines of others, and the relay holds logins that
no such machine should come near. It reads with the login that row-level security holds to one tenant.
"""

import logging
import random
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from shared_apps.audit import reader, selectors
from shared_apps.audit.errors import AuditUnavailableError, DeliveryError
from shared_apps.audit.exports.entries import ChainRead, StoredEntry, pages
from shared_apps.audit.sinks import records, syslog, webhooks
from shared_apps.audit.sinks.destinations import Destination
from shared_apps.audit.sinks.records import Sink
from shared_apps.core import databases
from shared_apps.core.databases import Database
from shared_apps.core.errors import AppError, explain
from shared_apps.core.references import Secrets

logger = logging.getLogger(__name__)

BATCH = 200  # entries
_AT_ONCE = 16  # destinations; one that hangs keeps one of these for half a minute at most
_PAUSE = 0.5  # seconds between two looks for something to send
_RETRY_LIMIT = 5.0  # seconds between attempts while the audit database is away
_LONGEST_WAIT = 600.0  # seconds between attempts at a destination
_LOCK = "SELECT pg_try_advisory_lock(hashtext('freehold.audit.sinks'))"

_chance = random.SystemRandom()


@dataclass
class Deliverer:
    """`run()` works until `stop()`; `run_once()` until nothing more can be sent."""

    url: str
    """The auditor's login: it reads which sinks there are and records how far they are."""
    secrets: Secrets
    patience: float = 15.0
    """Seconds that a destination has to take a batch."""
    delivered: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Wait for what is being sent, record it and end."""
        self._stopping.set()

    def run(self) -> None:
        pause = _PAUSE
        while not self._stopping.is_set():
            try:
                with self._connected() as connection:
                    if self._wait_for_turn(connection):
                        logger.info("Sinks are being served")
                        pause = _PAUSE
                        self._work(connection, once=False)
            except psycopg.Error as error:
                logger.warning("The audit database is away: %s", explain(error))
                self._stopping.wait(pause)
                pause = min(pause * 2, _RETRY_LIMIT)

    def run_once(self) -> int:
        """Send what waits; a sink that fails is left for the next time. Returns the number of entries.

        Raises:
            psycopg.Error: the audit database does not answer.
        """
        with self._connected() as connection:
            if self._wait_for_turn(connection):
                self._work(connection, once=True)
        return self.delivered

    def _connected(self) -> psycopg.Connection[Any]:
        return databases.connect(
            self.url, Database.AUDIT, autocommit=True, application_name="freehold sinks"
        )

    def _wait_for_turn(self, connection: psycopg.Connection[Any]) -> bool:
        """Hold the lock that makes this the only process that sends; False: stopped before."""
        while not self._stopping.is_set():
            row = connection.execute(_LOCK).fetchone()
            if row and row[0]:
                return True
            self._stopping.wait(_PAUSE)
        return False

    def _work(self, connection: psycopg.Connection[Any], *, once: bool) -> None:
        running: dict[Future[int], Sink] = {}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="audit-sink") as pool:
            while True:
                if not self._stopping.is_set():
                    self._start(connection, pool, running)
                if not running and (once or self._stopping.is_set()):
                    return
                if not running:
                    self._stopping.wait(_PAUSE)
                    continue
                finished, _ = wait(running, timeout=_PAUSE, return_when=FIRST_COMPLETED)
                for future in finished:
                    # Over the session that holds the lock: who has lost it records nothing.
                    self._record(connection, running.pop(future), future)

    def _start(
        self,
        connection: psycopg.Connection[Any],
        pool: ThreadPoolExecutor,
        running: dict[Future[int], Sink],
    ) -> None:
        busy = {sink.id for sink in running.values()}
        for sink in records.list_due(connection):
            if len(running) >= _AT_ONCE:
                return
            if sink.id not in busy:
                running[pool.submit(self._deliver, sink)] = sink

    def _deliver(self, sink: Sink) -> int:
        """Send the next batch; returns the number of its last entry."""
        entries = _next_entries(sink)
        destination = Destination.parse(sink.destination)
        if destination.is_webhook:
            if sink.reference is None:
                raise DeliveryError("a webhook needs a secret to sign with")
            secret = self.secrets.read(sink.reference)
            webhooks.send(
                sink,
                destination,
                entries,
                secret=secret,
                at=datetime.now(UTC),
                seconds=self.patience,
            )
        else:
            syslog.send(sink, destination, entries, seconds=self.patience)
        return entries[-1].sequence

    def _record(
        self, connection: psycopg.Connection[Any], sink: Sink, future: "Future[int]"
    ) -> None:
        try:
            last = future.result()
        except AuditUnavailableError as error:
            # Ours, not the destination's; the next look tries again.
            logger.warning("The audit database is away: %s", explain(error))
            self._stopping.wait(_PAUSE)
        except AppError as error:
            self._record_failure(connection, sink, explain(error))
        except Exception as error:
            # One sink that breaks in a way that nobody foresaw must not end the others.
            logger.exception("A sink could not be served")
            self._record_failure(connection, sink, type(error).__name__)
        else:
            if records.record_delivery(connection, sink, to=last):
                self.delivered += last - sink.sequence

    def _record_failure(self, connection: psycopg.Connection[Any], sink: Sink, reason: str) -> None:
        longest = min(2.0**sink.failures, _LONGEST_WAIT)
        pause = timedelta(seconds=longest * _chance.uniform(0.5, 1))
        records.record_failure(connection, sink, reason=reason, wait=pause)
        logger.warning(
            "Sink %s of %s failed %d times: %s",
            sink.name,
            sink.tenant_id,
            sink.failures + 1,
            reason,
        )


def _next_entries(sink: Sink) -> list[StoredEntry]:
    wanted = ChainRead(sink.tenant_id, selectors.EntryFilter(), sink.sequence, sink.head)
    page = next(pages(_reading, wanted, size=BATCH), [])
    if not page:
        # Taken by retention before they were sent, or not to be seen: not something to pass over.
        raise DeliveryError(f"entries {sink.sequence + 1} to {sink.head} are not there")
    return page


def _reading(tenant_id: UUID) -> AbstractContextManager[psycopg.Connection[Any]]:
    return reader.reading([tenant_id])
