"""Counts what goes over the wire to PostgreSQL, by libpq's own trace."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection
from psycopg import pq


@dataclass(frozen=True, slots=True)
class Traffic:
    """`statements` are those that the server completed, SET among them; a round trip is a wait for it."""

    statements: float
    round_trips: float


def traced(work: Callable[[], object]) -> Traffic:
    """What `work` sends over the connection that this thread has open."""
    pgconn = connection.connection.pgconn
    with tempfile.TemporaryFile("w+") as trace:
        pgconn.trace(trace.fileno())
        pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        work()
        pgconn.untrace()
        trace.seek(0)
        return _count(trace.read())


def _count(trace: str) -> Traffic:
    """Lines are `F` (sent) or `B` (received), length, message, rest."""
    messages = [line.split("\t") for line in trace.splitlines() if line[:2] in ("F\t", "B\t")]
    directions = [message[0] for message in messages]
    before = ["B", *directions]
    return Traffic(
        statements=sum(message[2].startswith("CommandComplete") for message in messages),
        round_trips=sum(pair == ("B", "F") for pair in zip(before, directions, strict=False)),
    )
