"""A relay's work for as long as its two sessions last."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import redis

from shared_apps.audit import hints, metrics, triggers
from shared_apps.audit.relay import outboxes
from shared_apps.audit.relay.heartbeat import Heartbeat
from shared_apps.audit.relay.sessions import Patience, end_silent
from shared_apps.audit.relay.shards import Shards, shard_of
from shared_apps.audit.relay.turns import Turns
from shared_apps.audit.transfer import Claim, OwnerChangedError, move_batch
from shared_apps.core.errors import explain
from shared_apps.core.heartbeat import Heartbeat as Pulse

logger = logging.getLogger(__name__)

_IDLE_PAUSE = 0.05  # seconds; a hint waits at most this long
_SWEEP_AT_LEAST_EVERY = 0.5  # seconds
_SWEEP_AT_MOST_EVERY = 10.0
_SWEEP_SHARE = 20  # a sweep may take a twentieth of the time
_ATTEND_EVERY = 1.0  # seconds between two looks at who else is at work
_LOOK_AFTER_OTHERS_EVERY = 5.0
_WAIT_FOR_OTHERS = 0.2  # seconds
_WITHOUT_HINTS = 5.0  # seconds, when Redis did not answer

# What is wrong with one outbox or its rows. An error of any other kind is a fault of the program.
_OF_ROWS = (
    psycopg.Error, OwnerChangedError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError,
)  # fmt: skip
_OF_A_SERVER = ("08", "53", "58", "57P")  # disk full, too many connections, shutting down
_READ_ONLY = "25006"
_GONE = (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName, OwnerChangedError)


@dataclass
class Progress:
    """What a relay has done since it was started."""

    moved: int = 0
    moved_at: datetime | None = None
    waiting: dict[str, datetime] = field(default_factory=dict)
    """Its outboxes that were not empty when it last looked → since when."""


@dataclass
class Shift:
    source: psycopg.Connection[Any]
    target: psycopg.Connection[Any]
    turns: Turns
    progress: Progress
    heartbeat: Heartbeat
    stopping: threading.Event
    patience: Patience
    pulse: Pulse = field(default_factory=lambda: Pulse("", "relay"))

    def __post_init__(self) -> None:
        self.shards = Shards(self.target)
        self._outboxes: dict[str, UUID | None] = {}
        self._entities = triggers.entity_names()
        self._next_attention = self._next_sweep = self._next_hints = 0.0
        self._next_look_after_others = 0.0

    # -- until stopped ------------------------------------------------------------------------------

    def work(self, redis_url: str) -> None:
        client = redis.Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1)
        self.shards.join()
        logger.info("The relay is working")
        while not self.stopping.is_set():
            self._attend()
            self._take_hints(client)
            self._sweep()
            if taken := self.turns.take():
                self._move(taken)
            else:
                self.stopping.wait(_IDLE_PAUSE)
        self.heartbeat.end()

    def _attend(self) -> None:
        """Share the work with other relays; the session's server sees that we are alive."""
        if time.monotonic() < self._next_attention:
            return
        self.pulse.works()
        self._look_after_others()
        if has_changed := self.shards.balance():
            logger.info("Working on %d shards", len(self.shards.held))
            self._next_sweep = 0.0
        self.heartbeat.give(
            shards=self.shards.held,
            moved=self.progress.moved,
            moved_at=self.progress.moved_at,
            waiting=self.progress.waiting,
            failing=self.turns.failing,
            at_once=has_changed,
        )
        self._next_attention = time.monotonic() + _ATTEND_EVERY

    def _look_after_others(self) -> None:
        if time.monotonic() < self._next_look_after_others:
            return
        for session in (self.target, self.source):
            if ended := end_silent(session, patience=self.patience):
                logger.warning("Ended sessions of a relay that stood still: %s", ended)
        self._next_look_after_others = time.monotonic() + _LOOK_AFTER_OTHERS_EVERY

    def _take_hints(self, client: "redis.Redis") -> None:
        if time.monotonic() < self._next_hints:
            return
        self._next_hints = time.monotonic() + _IDLE_PAUSE / 2
        try:
            hinted = hints.take(client, is_ours=self.shards.holds)
        except redis.RedisError:
            self._next_hints = time.monotonic() + _WITHOUT_HINTS
            return
        if not hinted <= self._outboxes.keys():
            self._outboxes = outboxes.list_outboxes(self.source)
        for schema in hinted & self._outboxes.keys():
            self.turns.call(schema, now=time.monotonic())

    def _sweep(self) -> None:
        started = time.monotonic()
        if started < self._next_sweep:
            return
        self._outboxes = outboxes.list_outboxes(self.source)
        ours = {schema for schema in self._outboxes if self.shards.holds(schema)}
        found = outboxes.look(self.source, ours - self.turns.resting(now=started))
        self._note(found, ours)
        for schema in found.oldest:
            self.turns.call(schema, now=started)
        took = time.monotonic() - started
        # Time that was spent waiting for a lock says nothing of what a sweep costs.
        pause = 0.0 if found.refused else min(took * _SWEEP_SHARE, _SWEEP_AT_MOST_EVERY)
        self._next_sweep = time.monotonic() + max(_SWEEP_AT_LEAST_EVERY, pause)

    def _note(self, found: outboxes.Found, ours: set[str]) -> None:
        resting = self.turns.resting(now=time.monotonic())
        kept = {s: at for s, at in self.progress.waiting.items() if s in resting & ours}
        self.progress.waiting = {**kept, **found.oldest}
        for schema, error in found.refused.items():
            self._fail(schema, error)
        self.turns.forget_others(set(self.progress.waiting) | found.refused.keys())

    # -- once ---------------------------------------------------------------------------------------

    def empty(self) -> dict[str, str]:
        """Move what waits now, or see other relays do it; returns what could not be moved, and why."""
        self._outboxes = outboxes.list_outboxes(self.source)
        found = outboxes.look(self.source, self._outboxes)
        failed = {schema: explain(error) for schema, error in found.refused.items()}
        left = {schema: outboxes.newest(self.source, schema) for schema in found.oldest}
        while left and not self.stopping.is_set():
            self.shards.take(sorted({shard_of(schema) for schema in left}))
            for schema in [schema for schema in left if self.shards.holds(schema)]:
                del left[schema]
                self.turns.call(schema, now=time.monotonic())
            while (taken := self.turns.take()) and not self.stopping.is_set():
                self._move(taken)
            # Kept, they could be what another relay waits for that we wait for.
            self.shards.release()
            if left:
                self.stopping.wait(_WAIT_FOR_OTHERS)
                left = {
                    schema: number
                    for schema, number in left.items()
                    if outboxes.has_until(self.source, schema, number)
                }
        return failed | {schema: failure.reason for schema, failure in self.turns.failing.items()}

    # -- one batch ----------------------------------------------------------------------------------

    def _move(self, taken: Mapping[str, int]) -> None:
        claims = [
            Claim(schema, self._outboxes[schema], limit)
            for schema, limit in taken.items()
            if schema in self._outboxes and self.shards.holds(schema)
        ]
        if not claims:
            return
        try:
            moved = move_batch(
                source=self.source, target=self.target, claims=claims, entities=self._entities
            )
        except _OF_ROWS as error:
            if self._is_of_a_server(error):
                raise
            if len(claims) == 1:
                self._fail(claims[0].schema, error)
                return
            # One of them cannot be moved: the others do not wait for it.
            for claim in claims:
                self._move({claim.schema: claim.limit})
        else:
            for claim in claims:
                self.turns.moved(claim.schema, moved[claim.schema], of=claim.limit)
            self.progress.moved += sum(moved.values())
            metrics.MOVED.inc(sum(moved.values()))
            if any(moved.values()):
                self.progress.moved_at = datetime.now(UTC)

    def _fail(self, schema: str, error: Exception) -> None:
        if isinstance(error, _GONE):
            owner = self._outboxes.get(schema)
            self._outboxes = outboxes.list_outboxes(self.source)
            if schema not in self._outboxes or self._outboxes[schema] != owner:
                self.turns.forget(schema)
                return
        failure = self.turns.failed(
            schema, explain(error), now=time.monotonic(), at=datetime.now(UTC)
        )
        level = logging.ERROR if failure.times == 1 else logging.DEBUG
        logger.log(level, "%s cannot be moved and will be tried again: %s", schema, failure.reason)

    def _is_of_a_server(self, error: Exception) -> bool:
        if self.source.closed or self.target.closed:
            return True
        state = getattr(error, "sqlstate", None) or ""
        return state.startswith(_OF_A_SERVER) or state == _READ_ONLY
