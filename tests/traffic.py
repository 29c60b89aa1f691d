"""Counts what goes to PostgreSQL, by libpq's own trace, and to Redis, by what it says it was asked."""

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import redis
from django.conf import settings
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


@contextmanager
def asked_of_redis(*parts_of_names: str) -> Iterator[list[str]]:
    """The commands meanwhile about names with one of these parts, by anybody; a script is one command."""
    commands: list[str] = []
    end = uuid.uuid4().hex
    with redis.Redis.from_url(settings.REDIS_URL) as client, client.monitor() as monitor:
        yield commands
        client.echo(end)
        for seen in monitor.listen():
            command: str = seen["command"]
            if end in command:
                break
            if seen["client_type"] != "lua" and any(part in command for part in parts_of_names):
                commands.append(command.split()[0])
