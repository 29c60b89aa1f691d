"""Reads that may be a few seconds old go to a replica, if there is one that is known to be fresh.

A streaming replica of PostgreSQL has the same roles, rights and policies, and the alias `replica` has the
backend of `default`: each statement runs as its context's role there too. Whether the replica may be asked
is decided by what both servers say of themselves, at most once a second and process: it has to be a
standby of this very cluster that has replayed everything that is older than the bound. In every other case
(it is away, behind, promoted, another cluster's) the primary answers.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, connections

from shared_apps.core import context
from shared_apps.core.doctor import Finding
from shared_apps.tenants.database.probe import UnsafeRouteError

logger = logging.getLogger(__name__)

T = TypeVar("T")

ALIAS = "replica"
_ASK_EVERY = 1.0  # seconds
_ASK_AGAIN_AFTER_FAILURE = 5.0
# The longest bound, asked about once a second.
_MOST_MARKS = 3600
_DOCTORS_PATIENCE = 5.0
_DOCTORS_PAUSE = 0.1
NOT_KNOWN = "it is behind, for how long is not known yet"
_REMEDY = (
    "let DATABASE_REPLICA_URL name a streaming standby of this cluster, see why it lags"
    " (docs/scaling.md), or leave the variable out; meanwhile the primary answers"
)

_POSITION = (
    "SELECT system_identifier::text, pg_is_in_recovery(),"
    " (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"
    " - '0/0')::bigint FROM pg_control_system()"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a server is in the log of its cluster."""

    cluster: str
    is_standby: bool
    position: int


class Marks:
    """Positions of the primary with their times: they tell how old what a replica shows is.

    Unlike the replica's own idea of its lag, this needs no common clock, and a replica whose stream broke
    cannot seem fresh.
    """

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=_MOST_MARKS)

    def add(self, *, position: int, at: float) -> None:
        self._marks.append((at, position))

    def age(self, *, replayed: int, now: float) -> float | None:
        """Seconds since a moment of which the replica has everything; None: no such moment is known."""
        reached = None
        while self._marks and self._marks[0][1] <= replayed:
            reached = self._marks.popleft()
        if reached is None:
            return None
        # It stays the best that is known until the replica reaches a later one.
        self._marks.appendleft(reached)
        return now - reached[0]


def find_problem(marks: Marks, *, bound: float) -> str | None:
    """Ask both servers; why the replica must not be asked, or None.

    Raises:
        Error, psycopg.Error, UnsafeRouteError: one of them does not answer, or not safely.
    """
    at = time.monotonic()
    primary = _ask(DEFAULT_DB_ALIAS)
    return problem_of(primary, _ask(ALIAS), marks, at=at, bound=bound)


def problem_of(
    primary: Position, replica: Position, marks: Marks, *, at: float, bound: float
) -> str | None:
    """`at`: when the primary was asked."""
    marks.add(position=primary.position, at=at)
    if replica.cluster != primary.cluster:
        return "it is a server of another cluster"
    if not replica.is_standby:
        return "it is not a standby: it takes writes itself"
    age = marks.age(replayed=replica.position, now=at)
    if age is None:
        return NOT_KNOWN
    return f"it is {age:.0f} s behind" if age > bound else None


def read(work: Callable[[str], T]) -> T:
    """What `work` gives for the alias to read from: the replica's, or the primary's.

    `work` only reads, evaluates what it reads, and may run twice: whatever fails at the replica is asked of
    the primary. Inside a transaction the primary is asked, so that a transaction reads what it wrote.
    """
    if not _may_be_asked():
        return work(DEFAULT_DB_ALIAS)
    try:
        return work(ALIAS)
    except Error as error:
        if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise  # it took too long, as it would at the primary
        # A role that is not there yet; a query in the way of recovery; a server that has just gone.
        if isinstance(error, OperationalError | InterfaceError):
            _verdict.refuse(f"a query failed ({_reason(error)})")
        connections[ALIAS].close()
    return work(DEFAULT_DB_ALIAS)


def _may_be_asked() -> bool:
    if ALIAS not in connections.settings or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return False
    return _verdict.is_good(bound=settings.DATABASE_REPLICA_MAX_LAG_SECONDS)


class _Verdict:
    """What is thought of the replica in this process. One thread asks; the others use what was known."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks = Marks()
        self._problem: str | None = "it was not asked yet"
        self._ask_at = 0.0

    def is_good(self, *, bound: float) -> bool:
        if time.monotonic() >= self._ask_at and self._lock.acquire(blocking=False):
            try:
                self._ask(bound)
            finally:
                self._lock.release()
        return self._problem is None

    def refuse(self, problem: str) -> None:
        self._say(problem)
        self._ask_at = time.monotonic() + _ASK_EVERY

    def _ask(self, bound: float) -> None:
        pause = _ASK_EVERY
        try:
            problem = find_problem(self._marks, bound=bound)
        except (Error, psycopg.Error, UnsafeRouteError) as error:
            problem, pause = f"it cannot be asked ({_reason(error)})", _ASK_AGAIN_AFTER_FAILURE
            connections[ALIAS].close()
        self._say(problem)
        self._ask_at = time.monotonic() + pause

    def _say(self, problem: str | None) -> None:
        known, self._problem = self._problem, problem
        if problem is not None and known is None:
            logger.warning("The primary answers instead of the replica: %s", problem)
        elif problem is None and known is not None:
            logger.info("The replica answers")


_verdict = _Verdict()


def forget() -> None:
    """Ask anew: another server is behind the alias."""
    global _verdict
    _verdict = _Verdict()


def find_problems() -> list[Finding]:
    """For the doctor, which waits a while for the replica to come to where the primary is."""
    if ALIAS not in connections.settings:
        return []
    marks, bound = Marks(), settings.DATABASE_REPLICA_MAX_LAG_SECONDS
    end = time.monotonic() + min(bound, _DOCTORS_PATIENCE)
    while True:
        try:
            problem = find_problem(marks, bound=bound)
        except (Error, psycopg.Error, UnsafeRouteError) as error:
            problem = f"it cannot be asked ({_reason(error)})"
        if problem != NOT_KNOWN or time.monotonic() > end:
            break
        time.sleep(_DOCTORS_PAUSE)
    if problem == NOT_KNOWN:
        problem = (
            f"it has not come to where the primary was {min(bound, _DOCTORS_PATIENCE):.0f} s ago"
        )
    return [Finding("replica", f"is not used: {problem}", _REMEDY)] if problem else []


def _reason(error: Exception) -> str:
    """One line, which names no row."""
    return (str(error).strip() or type(error).__name__).split("\n", 1)[0]


def _ask(alias: str) -> Position:
    with context.operator(), connections[alias].cursor() as cursor:
        cursor.execute(_POSITION)
        return Position(*cursor.fetchone())
