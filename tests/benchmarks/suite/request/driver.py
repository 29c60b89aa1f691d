"""The worker of a contender: sends requests to its WSGI application, in the same process.

WSGI and no server: what a server or an event loop adds is the same for everybody and would only blur
the difference. Django's request signals are sent as under a server, so connections are checked and
kept as there.
"""

import hashlib
import io
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections

from tests.traffic import Traffic, traced

# Untimed, at the start of a batch: while others worked, caches of the processor forgot this process.
_LEAD_IN = 1


class RequestDriver:
    """A target of `workers.worker`. `tokens` are by host."""

    def __init__(self) -> None:
        django.setup()
        if not getattr(settings, "ROWS_REMEMBER_THEIR_TENANT", True):
            from tests.benchmarks.suite.request import ownership

            ownership.strip()
        self._application = get_wsgi_application()
        self._tokens: Mapping[str, str] = {}
        self._turns: dict[tuple[str, ...], Iterator[str]] = {}

    def use_tokens(self, *, tokens: Mapping[str, str]) -> None:
        self._tokens = tokens

    def sign_in(self, *, credentials: Mapping[str, tuple[str, str]]) -> None:
        """At each host with its e-mail address and password."""
        tokens = {}
        for host, (email, password) in credentials.items():
            body = json.dumps({"email": email, "password": password}).encode()
            answer = self._send(
                {
                    **_environ(host, "/api/v1/auth/login/", method="POST"),
                    "CONTENT_TYPE": "application/json",
                    "CONTENT_LENGTH": str(len(body)),
                    "wsgi.input": io.BytesIO(body),
                }
            )
            tokens[host] = json.loads(answer)["access"]
        self._tokens = tokens

    def digests(self, *, path: str, hosts: Sequence[str], rows: int) -> list[str]:
        """Of the answer of each host, which must have that many rows."""
        answers = [self._get(path, host) for host in hosts]
        for answer in answers:
            assert len(json.loads(answer)["results"]) == rows, answer
        return [hashlib.sha256(answer).hexdigest() for answer in answers]

    def rate(
        self, *, path: str, hosts: Sequence[str], requests: int, by_processor: bool = False
    ) -> float:
        """Requests a second at the pace of the batch's median request, to one host after the other.

        `by_processor` counts a second of this thread's work only, which other people's leaves alone.

        The next call goes on where this one ends. The median, because on a shared machine one
        request in a batch is often held up by somebody else's work.
        """
        clock = time.thread_time if by_processor else time.perf_counter
        turns = self._turns.setdefault(tuple(hosts), itertools.cycle(hosts))
        for _ in range(_LEAD_IN):
            self._get(path, next(turns))
        seconds = []
        for host in itertools.islice(turns, requests):
            started = clock()
            self._get(path, host)
            seconds.append(clock() - started)
        return 1 / statistics.median(seconds)

    def traffic(self, *, path: str, hosts: Sequence[str]) -> Traffic:
        """What one request to each host sends to PostgreSQL on the average, when all is warm."""
        # A new connection does not reach its greatest age, and is not replaced, while it is traced.
        connections.close_all()
        for host in hosts:
            self._get(path, host)
        totals = traced(lambda: [self._get(path, host) for host in hosts])
        return Traffic(
            statements=totals.statements / len(hosts), round_trips=totals.round_trips / len(hosts)
        )

    def interleaved(
        self, *, path: str, hosts: Sequence[str], requests: int, threads: int
    ) -> tuple[int, int]:
        """Of so many answers, asked for by several threads: how many were another host's, how many none."""
        own = {host: self._get(path, host) for host in hosts}

        def ask(first: int) -> tuple[int, int]:
            foreign = failed = 0
            for host in itertools.islice(
                itertools.cycle(hosts), first, first + requests // threads
            ):
                try:
                    foreign += self._get(path, host) != own[host]
                except RuntimeError:
                    failed += 1
            connections.close_all()
            return foreign, failed

        # Each begins with another host.
        starts = range(0, len(hosts), max(1, len(hosts) // threads))
        with ThreadPoolExecutor(threads) as pool:
            results = list(pool.map(ask, starts))
        return sum(foreign for foreign, _ in results), sum(failed for _, failed in results)

    def _get(self, path: str, host: str) -> bytes:
        token = self._tokens[host]
        return self._send({**_environ(host, path), "HTTP_AUTHORIZATION": f"Bearer {token}"})

    def _send(self, environ: dict[str, Any]) -> bytes:
        statuses: list[str] = []

        def start_response(status: str, *_: object) -> Callable[[bytes], object]:
            statuses.append(status)
            return _refuse_to_write

        answer = self._application(environ, start_response)
        try:
            body = b"".join(answer)
        finally:
            answer.close()
        if statuses != ["200 OK"]:
            raise RuntimeError(f"{environ['HTTP_HOST']}: {statuses} {body[:500]!r}")
        return body


def _refuse_to_write(_: bytes) -> None:
    raise NotImplementedError("Django answers with an iterable")


def _environ(host: str, path: str, *, method: str = "GET") -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
