"""Wait until a PostgreSQL server takes connections."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from psycopg import pq

_PAUSE = 0.5  # seconds
_CONNECT_SECONDS = 2


class NoAnswerError(Exception):
    """Says which server did not answer, never with which password."""


def wait_for(url: str, *, seconds: int, report: Callable[[str], None]) -> None:
    """Return as soon as the server answers, also where it does not know the login or the database:
    waiting would not make them right, and `install` makes them.

    Raises:
        NoAnswerError: not in so many seconds.
    """
    address = _address(url)
    parameters = f"{url}{'&' if '?' in url else '?'}connect_timeout={_CONNECT_SECONDS}".encode()
    started = time.monotonic()
    has_told = False
    while (state := pq.PGconn.ping(parameters)) != pq.Ping.OK:
        if state == pq.Ping.NO_ATTEMPT:
            raise NoAnswerError(f"The address of PostgreSQL cannot be understood ({address})")
        if time.monotonic() - started >= seconds:
            raise NoAnswerError(f"PostgreSQL at {address} did not answer within {seconds} s")
        if not has_told:
            report(f"PostgreSQL at {address} does not answer yet; waiting up to {seconds} s")
            has_told = True
        time.sleep(_PAUSE)
    if has_told:
        report(f"PostgreSQL at {address} answers after {time.monotonic() - started:.0f} s")


def _address(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]
