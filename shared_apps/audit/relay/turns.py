"""Whose batch is next.

Outboxes with news and outboxes with a backlog take turns, so that a tenant with a million changes delays
nobody else's. One that fails rests, longer each time, and is tried with fewer rows: those before the one
that cannot be moved get through.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

_FIRST_REST = 0.5  # seconds
_LONGEST_REST = 60.0
_LESS = 8


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an outbox could not be emptied, and since when."""

    reason: str
    since: datetime
    times: int


@dataclass(slots=True)
class _Rest:
    until: float
    failure: Failure


class Turns:
    """`now` is monotonic time."""

    def __init__(self, *, batch: int) -> None:
        self._batch = batch
        self._fresh: deque[str] = deque()
        self._behind: deque[str] = deque()
        self._queued: set[str] = set()
        self._rests: dict[str, _Rest] = {}
        self._limits: dict[str, int] = {}
        self._was_fresh = False

    @property
    def failing(self) -> dict[str, Failure]:
        return {schema: rest.failure for schema, rest in self._rests.items()}

    def resting(self, *, now: float) -> set[str]:
        return {schema for schema, rest in self._rests.items() if rest.until > now}

    def call(self, schema: str, *, now: float) -> None:
        """There may be something in its outbox."""
        rest = self._rests.get(schema)
        if schema not in self._queued and (rest is None or rest.until <= now):
            self._queued.add(schema)
            self._fresh.append(schema)

    def take(self) -> str | None:
        first, second = (
            (self._behind, self._fresh) if self._was_fresh else (self._fresh, self._behind)
        )
        queue = first or second
        if not queue:
            return None
        self._was_fresh = queue is self._fresh
        schema = queue.popleft()
        self._queued.remove(schema)
        return schema

    def limit(self, schema: str) -> int:
        return self._limits.get(schema, self._batch)

    def moved(self, schema: str, rows: int) -> None:
        """A full batch: there is more."""
        self._rests.pop(schema, None)
        limit = self._limits.pop(schema, self._batch)
        if limit * 2 < self._batch:
            self._limits[schema] = limit * 2
        if rows >= limit and schema not in self._queued:
            self._queued.add(schema)
            self._behind.append(schema)

    def failed(self, schema: str, reason: str, *, now: float, at: datetime) -> Failure:
        last = self._rests.get(schema)
        times = last.failure.times + 1 if last else 1
        failure = Failure(reason, last.failure.since if last else at, times)
        rest = min(_LONGEST_REST, _FIRST_REST * 2 ** min(times - 1, 10))
        self._rests[schema] = _Rest(now + rest, failure)
        self._limits[schema] = max(1, self.limit(schema) // _LESS)
        return failure

    def forget(self, schema: str) -> None:
        """Its tenant is gone."""
        self._rests.pop(schema, None)
        self._limits.pop(schema, None)

    def forget_others(self, schemas: set[str]) -> None:
        """Nothing waits in them any more, or somebody else works on them now."""
        for schema in {*self._rests, *self._limits} - schemas:
            self.forget(schema)
