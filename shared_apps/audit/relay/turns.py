"""Whose batch is next.

Outboxes with news and outboxes with a backlog take turns, so that a tenant with a million changes delays
nobody else's. Several share a batch, because of few rows the two commits would be the most work. One that fails rests, longer each time, and is tried with fewer rows: those before the one
that cannot be moved get through.
"""

from collections import deque
from dataclasses import dataclass
from datetime import datetime

_FIRST_REST = 0.5  # seconds
_LONGEST_REST = 60.0
_LESS = 8
_TOGETHER = 32  # outboxes with news; most of them have few rows
_TOGETHER_BEHIND = 4


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

    def take(self) -> dict[str, int]:
        """Outboxes to be moved together, and how many rows of each; empty: there is nothing to do.

        One that failed is moved alone.
        """
        first, second = (
            (self._behind, self._fresh) if self._was_fresh else (self._fresh, self._behind)
        )
        queue = first or second
        if not queue:
            return {}
        self._was_fresh = queue is self._fresh
        most = _TOGETHER if self._was_fresh else _TOGETHER_BEHIND
        taken = [queue.popleft()]
        if not self._has_failed(taken[0]):
            while queue and len(taken) < most and not self._has_failed(queue[0]):
                taken.append(queue.popleft())
        self._queued.difference_update(taken)
        share = max(1, self._batch // len(taken))
        return {schema: min(share, self.limit(schema)) for schema in taken}

    def _has_failed(self, schema: str) -> bool:
        return schema in self._rests or schema in self._limits

    def limit(self, schema: str) -> int:
        return self._limits.get(schema, self._batch)

    def moved(self, schema: str, rows: int, *, of: int) -> None:
        """As many as were asked for: there is more."""
        self._rests.pop(schema, None)
        limit = self._limits.pop(schema, self._batch)
        if limit * 2 < self._batch:
            self._limits[schema] = limit * 2
        if rows >= of and schema not in self._queued:
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
